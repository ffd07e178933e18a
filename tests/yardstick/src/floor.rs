//! The floor: two bare children, a local socket, and no protocol at all. Nothing that swaps processes can be faster.
//!
//! One child is told to go: it notes the moment, hands it over and exits. Its parent waits for that, and then tells the other one to begin,
//! which has been waiting at its end of the socket. The gap lies between these two moments, each noted by the child whose it is.

use std::{
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{Error, answer, now, orders};

/// Tells a child to go; answered with the moment.
const GO: u8 = b'g';
/// Tells a child to begin, with the moment at which the other one went; answered with the moment at which it begins.
const BEGIN: u8 = b'b';

/// How long the next child may rest before it is needed, as one that has warmed up does.
const REST: Duration = Duration::from_millis(5);

/// Swaps the children for each order, and answers with both moments.
pub(crate) async fn floor(folder: &Path) -> Result<(), Error> {
    let mut orders = orders();
    let path = folder.join("floor.sock");
    let listener = UnixListener::bind(&path)?;
    let (mut old, mut line) = bear(&listener, &path)?;
    answer("active")?;
    while orders.recv().await.is_some() {
        let (next, mut next_line) = bear(&listener, &path)?;
        std::thread::sleep(REST);
        line.write_all(&[GO])?;
        let went = moment(&mut line)?;
        old.wait()?;
        let mut begin = vec![BEGIN];
        begin.extend(went.to_le_bytes());
        next_line.write_all(&begin)?;
        let began = moment(&mut next_line)?;
        answer(format_args!("{went} {began}"))?;
        (old, line) = (next, next_line);
    }
    // Both ends of the line are gone with us, and with them the last child.
    Ok(())
}

/// A child's whole life.
pub(crate) fn child(path: &Path) -> Result<(), Error> {
    let mut line = UnixStream::connect(path)?;
    let mut order = [0];
    loop {
        // The end of the line ends a child, too.
        if line.read(&mut order)? == 0 {
            return Ok(());
        }
        match order[0] {
            BEGIN => {
                moment(&mut line)?;
                line.write_all(&now().to_le_bytes())?;
            }
            GO => {
                line.write_all(&now().to_le_bytes())?;
                return Ok(());
            }
            _ => return Err(Error::Worker("understand")),
        }
    }
}

fn bear(listener: &UnixListener, path: &Path) -> io::Result<(Child, UnixStream)> {
    let child = Command::new(std::env::current_exe()?)
        .arg("floor-child")
        .arg(path)
        .stdin(Stdio::null())
        .spawn()?;
    let (line, _) = listener.accept()?;
    Ok((child, line))
}

fn moment(line: &mut UnixStream) -> io::Result<u64> {
    let mut bytes = [0; 8];
    line.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
