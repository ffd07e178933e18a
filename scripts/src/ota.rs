//! `cargo xtask ota`: gives a device a new version.
//!
//! Through the emulator, the image is uploaded and a job started, as in the platform's console. Through a broker, the offer is
//! published as the platform would push it, and the image must already lie on a web server. Either way the publisher's
//! signature goes along in the offer, and the upgrade is followed to its end, which is the device reporting the new version, and never a
//! hundred percent of progress.

mod broker;
mod device;
mod emulator;
mod follow;

mod image;
mod minisig;
use crate::http::Server;
use crate::paint;
use broker::Broker;
use device::Device;
use image::Sign;
use std::path::PathBuf;
use std::time::Duration;

/// What to give to whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device: its product's key and its name
    #[arg(long, value_name = "PRODUCT_KEY/DEVICE_NAME")]
    device: Device,
    /// The image; a broker's offer takes only its size and digest from it
    #[arg(long)]
    file: PathBuf,
    /// The publisher's signature of the image; without this, the one beside it, `<FILE>.minisig`
    #[arg(long, value_name = "FILE")]
    minisig: Option<PathBuf>,
    /// The version the device shall report afterwards
    #[arg(long)]
    version: String,
    /// The digest the offer carries
    #[arg(long, value_enum, default_value = "md5")]
    sign: Sign,
    #[command(flatten)]
    through: Through,
    /// Where the device finds the image, when a broker is used
    #[arg(long, conflicts_with = "emulator")]
    url: Option<String>,
    /// Let the device fetch over TLS, when an emulator with TLS is used
    #[arg(long, conflicts_with = "broker")]
    https: bool,
    /// User name at the broker; the password is taken from HOTPLATE_BROKER_PASSWORD
    #[arg(long)]
    user: Option<String>,
    /// Do not wait for the end
    #[arg(long)]
    no_follow: bool,
    /// How long to wait for the end, in seconds
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

/// Who tells the device.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Through {
    /// Upload the image to this emulator and start a job there
    #[arg(long, value_name = "http://HOST:PORT")]
    emulator: Option<Server>,
    /// Publish the offer at this broker (plain MQTT)
    #[arg(long, value_name = "HOST:PORT", requires = "url", value_parser = host_and_port)]
    broker: Option<(String, u16)>,
}

/// What is said about an image, whoever says it.
#[derive(Debug, Clone, Copy)]
struct Offer<'a> {
    /// The version it is.
    version: &'a str,
    /// By which digest it is known.
    sign: Sign,
    /// The publisher's signature.
    minisig: Option<&'a str>,
}

/// The version could not be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OtaError {
    /// There is no image to offer.
    #[error(transparent)]
    Image(#[from] image::ImageError),
    /// There is no signature to go along.
    #[error(transparent)]
    Minisig(#[from] minisig::MinisigError),
    /// The emulator could not be used.
    #[error(transparent)]
    Emulator(#[from] emulator::EmulatorError),
    /// The broker could not be used.
    #[error(transparent)]
    Broker(#[from] broker::BrokerError),
    /// Nothing was heard that would end the upgrade.
    #[error("see the end of the upgrade within {0} s")]
    Late(u64),
    /// The runtime could not be started.
    #[error("start")]
    Runtime(#[source] std::io::Error),
}

/// Gives a device a new version, and tells whether it took it.
///
/// # Errors
/// When the image cannot be read, the offer cannot be made, or its end is not heard in time.
pub(crate) fn ota(args: &Args) -> Result<bool, crate::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(OtaError::Runtime)?;
    let limit = Duration::from_secs(args.timeout);
    runtime
        .block_on(async {
            tokio::time::timeout(limit, give(args))
                .await
                .map_err(|_| OtaError::Late(args.timeout))?
        })
        .map_err(crate::Error::Ota)
}

async fn give(args: &Args) -> Result<bool, OtaError> {
    let image = image::inspect(&args.file, args.sign)?;
    println!(
        "{} {} ({} bytes, {} {}) to {}",
        args.file.display(),
        args.version,
        image.size,
        args.sign.wire(),
        image.digest,
        args.device
    );
    let minisig = minisig::find(&args.file, args.minisig.as_deref())?;
    match &minisig {
        Some(minisig) => println!("with the signature {}", minisig.path.display()),
        None => eprintln!(
            "{} {}",
            paint::yellow("!"),
            minisig::missing(&args.file, &args.version, args.url.as_deref())
        ),
    }
    let minisig = minisig.as_ref().map(|minisig| minisig.text.as_str());
    let offer = Offer {
        version: &args.version,
        sign: args.sign,
        minisig,
    };
    let follow = !args.no_follow;
    let end = match (&args.through.emulator, &args.through.broker) {
        (Some(emulator), _) => {
            emulator::offer(
                emulator,
                &args.device,
                &args.file,
                &offer,
                args.https,
                follow,
            )
            .await?
        }
        (None, Some((host, port))) => {
            let url = args.url.as_deref().unwrap_or_default();
            let push = broker::push(&image, &offer, url, broker::now_id());
            let login = args.user.clone().map(|user| {
                (
                    user,
                    std::env::var("HOTPLATE_BROKER_PASSWORD").unwrap_or_default(),
                )
            });
            let broker = Broker {
                host: host.clone(),
                port: *port,
                login,
            };
            broker::offer(&broker, &args.device, &args.version, &push, follow).await?
        }
        (None, None) => unreachable!("the command line demands one of them"),
    };
    Ok(end.is_none_or(|end| end == follow::End::Succeeded))
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let wrong = || "a broker is written as <host>:<port>".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match port.parse() {
        Ok(port) if !host.is_empty() && port != 0 => Ok((host.to_owned(), port)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        assert_eq!(
            host_and_port("localhost:1883"),
            Ok(("localhost".to_owned(), 1883))
        );
        assert_eq!(host_and_port("[::1]:1883"), Ok(("::1".to_owned(), 1883)));
        for text in ["localhost", ":1883", "localhost:0", "localhost:70000", ""] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
