//! Who is at the other end of the socket.

use tokio::net::UnixStream;

/// The name of the user, or the number where it has no name here (in a container, say).
pub(super) fn user(stream: &UnixStream) -> String {
    let Ok(peer) = stream.peer_cred() else { return "unknown".to_owned() };
    let uid = peer.uid();
    // As passwd(5) has it; directories of users elsewhere are not asked.
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name(&users, uid).map_or_else(|| format!("uid {uid}"), str::to_owned)
}

fn name(users: &str, uid: u32) -> Option<&str> {
    let entry = |line: &'_ str| -> Option<bool> { Some(line.split(':').nth(2)?.parse::<u32>().ok()? == uid) };
    let line = users.lines().find(|line| entry(line) == Some(true))?;
    line.split(':').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_name_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\n# c\n:x:7:7::/:\nada:x:1000:1000::/home/ada:/bin/sh\n";
        for (uid, expected) in [(0, Some("root")), (1000, Some("ada")), (7, None), (5, None)] {
            assert_eq!(name(users, uid), expected, "{uid}");
        }
    }
}
