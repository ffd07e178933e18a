use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test]
async fn bytes_go_both_ways_and_the_end_is_seen() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("run");
    let endpoint = Endpoint::listen(&folder).unwrap();
    assert!(folder.is_dir(), "the workers' lock has no folder");
    let (server, client) = tokio::join!(endpoint.accept(), Pipe::connect(endpoint.address()));
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    client.write_all(b"ping").await.unwrap();
    let mut heard = [0; 4];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
    server.write_all(b"pong").await.unwrap();
    let (shut, read) = tokio::join!(server.shutdown(), client.read_exact(&mut heard));
    shut.unwrap();
    read.unwrap();
    assert_eq!(&heard, b"pong");
    drop(server);
    assert_eq!(client.read(&mut heard).await.unwrap(), 0);
}

#[tokio::test]
async fn every_start_has_another_name() {
    let base = tempfile::tempdir().unwrap();
    let first = Endpoint::listen(base.path()).unwrap().address().to_owned();
    let second = Endpoint::listen(base.path()).unwrap().address().to_owned();
    assert_ne!(first, second);
    assert!(Pipe::connect(&first).await.is_err());
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt as _,
        path::Path,
    };

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn the_folder_is_open_to_its_owner_alone_even_if_it_was_not_before() {
        let base = tempfile::tempdir().unwrap();
        let run = base.path().join("run");
        fs::create_dir(&run).unwrap();
        fs::set_permissions(&run, Permissions::from_mode(0o755)).unwrap();
        let _endpoint = Endpoint::listen(&run).unwrap();
        assert_eq!(mode(&run), 0o700);
    }

    #[tokio::test]
    async fn a_path_too_long_for_a_socket_gives_way_to_a_private_folder() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("d".repeat(120));
        let endpoint = Endpoint::listen(&deep).unwrap();
        let address = Path::new(endpoint.address()).to_owned();
        assert!(address.as_os_str().len() <= system::LONGEST_PATH);
        let folder = address.parent().unwrap();
        assert_eq!(mode(folder), 0o700);
        Pipe::connect(endpoint.address()).await.unwrap();
        drop(endpoint);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn what_an_earlier_life_left_is_swept_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let left = base.path().join("worker-0123456789abcdef.sock");
        let other = base.path().join("control.sock");
        fs::write(&left, "").unwrap();
        fs::write(&other, "").unwrap();
        let endpoint = Endpoint::listen(base.path()).unwrap();
        assert!(!left.exists());
        assert!(other.exists());
        let socket = Path::new(endpoint.address()).to_owned();
        assert!(socket.exists());
        drop(endpoint);
        assert!(!socket.exists());
    }
}
