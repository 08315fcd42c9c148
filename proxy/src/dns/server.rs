//! A name server for tests: a real one, on loopback, that says what it is told to say.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// What the server says of a name.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These addresses, with this TTL in seconds.
    Addresses(Vec<IpAddr>, u32),
    /// One address behind another name: the TTL of the alias and that of the address.
    Alias(IpAddr, u32, u32),
    /// An error, or an empty answer for `NoError`.
    Code(ResponseCode),
    /// Bytes that are no message, under the id of the question.
    Noise,
    /// As many addresses as asked for, which fit into no datagram: by TCP after a truncated answer.
    ByTcp(u8, u8),
    /// The same, all in one datagram that is larger than the client said it takes.
    Oversized(u8, u8),
    /// Nothing.
    Silence,
}

#[derive(Debug, Default)]
struct Script {
    replies: Mutex<BTreeMap<String, Reply>>,
    asked: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// The server; it ends with the value.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let script = Arc::<Script>::default();
        let (by_udp, by_tcp) = (Arc::clone(&script), Arc::clone(&script));
        let threads =
            vec![thread::spawn(move || serve_udp(&udp, &by_udp)), thread::spawn(move || serve_tcp(&tcp, &by_tcp))];
        Self { address, script, threads }
    }

    pub(crate) fn say(&self, name: &str, reply: Reply) {
        self.script.replies.lock().unwrap().insert(format!("{name}."), reply);
    }

    /// How often the IPv4 addresses of a name were asked for.
    pub(crate) fn asked(&self, name: &str) -> usize {
        let name = format!("{name}.");
        self.script.asked.lock().unwrap().iter().filter(|asked| **asked == name).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.script.stop.store(true, Ordering::SeqCst);
        let wake = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        wake.send_to(&[], self.address).unwrap();
        drop(TcpStream::connect(self.address));
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn serve_udp(socket: &UdpSocket, script: &Script) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        if script.stop.load(Ordering::SeqCst) {
            return;
        }
        if let Some(answer) = answer(&buffer[..length], script, false) {
            socket.send_to(&answer, from).unwrap();
        }
    }
}

fn serve_tcp(listener: &TcpListener, script: &Script) {
    while let Ok((mut stream, _)) = listener.accept() {
        if script.stop.load(Ordering::SeqCst) {
            return;
        }
        // The one client asks all it has to ask; then it keeps the connection, which must not keep us.
        stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        let mut length = [0; 2];
        while stream.read_exact(&mut length).is_ok() {
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).unwrap();
            let answer = answer(&question, script, true).unwrap_or_default();
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    }
}

fn answer(question: &[u8], script: &Script, by_tcp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).unwrap();
    let query = question.queries[0].clone();
    let (name, kind) = (query.name().clone(), query.query_type());
    if kind == RecordType::A && !by_tcp {
        script.asked.lock().unwrap().push(name.to_string());
    }
    let reply = script.replies.lock().unwrap().get(&name.to_string()).cloned();
    let mut message = Message::new(question.id, MessageType::Response, OpCode::Query);
    message.metadata.recursion_available = true;
    message.queries.push(query);
    let mut addresses = |name: &Name, addresses: &[IpAddr], ttl| {
        for address in addresses.iter().filter(|address| address.is_ipv4() == (kind == RecordType::A)) {
            message.answers.push(Record::from_rdata(name.clone(), ttl, RData::from(*address)));
        }
    };
    let many = |high: u8, low: u8| -> Vec<IpAddr> {
        let one = |a: u8, b: u8| IpAddr::from([10, 1, a, b]);
        (0..high).flat_map(|a| (0..low).map(move |b| one(a, b))).collect()
    };
    match reply.unwrap_or(Reply::Code(ResponseCode::NXDomain)) {
        Reply::Addresses(known, ttl) => addresses(&name, &known, ttl),
        Reply::Alias(address, outer, inner) => {
            let target = Name::from_ascii("behind.test.").unwrap();
            addresses(&target, &[address], inner);
            message.answers.insert(0, Record::from_rdata(name, outer, RData::CNAME(CNAME(target))));
        }
        Reply::Code(code) => message.metadata.response_code = code,
        Reply::Noise => return Some([&question.id.to_be_bytes()[..], &[0x80, 0xff, 0xff, 0xff, 1, 2, 3]].concat()),
        Reply::ByTcp(high, low) if by_tcp => addresses(&name, &many(high, low), 60),
        Reply::ByTcp(..) => message.metadata.truncation = true,
        Reply::Oversized(high, low) => addresses(&name, &many(high, low), 60),
        Reply::Silence => return None,
    }
    Some(message.to_vec().unwrap())
}
