//! Many clients at once, where the system is mean at first.

use super::backend::Pair;
use super::site::Site;
use super::visitor::Connection;

#[tokio::test]
async fn as_many_clients_as_the_system_can_grant_are_served() {
    let pair = Pair::start().await;
    let site = Site::new(&format!("limits: {{connections: 1000}}\n{}", pair.file("stable: v1")));
    let instance = site.start_with_descriptors(128).await;
    let mut connections = Vec::new();
    for _ in 0..300 {
        let mut connection = Connection::open(instance.address).await.unwrap();
        assert_eq!(connection.get("/", &[]).await.unwrap().status, 200);
        connections.push(connection);
    }
    assert!(!instance.said().contains("file descriptors"), "{}", instance.said());
}
