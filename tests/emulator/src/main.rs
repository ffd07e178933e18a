//! The emulator as a program: starts, says where it listens and what to do next, and runs until Ctrl-C.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cloud_emulator::{DeviceId, Emulator, Options};
use serde_json::json;

/// Alibaba Cloud IoT's device side, on this machine, able to misbehave by name.
#[derive(Debug, Parser)]
#[command(name = "cloud-emulator")]
struct Arguments {
    /// Address to listen on; there is no defence against strangers, so keep it on loopback.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port for MQTT; 0 takes a free one.
    #[arg(long, default_value_t = 1883)]
    mqtt_port: u16,
    /// Port for MQTT over TLS; 0 takes a free one.
    #[arg(long, default_value_t = 8883)]
    mqtts_port: u16,
    /// Port for the HTTP API; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    http_port: u16,
    /// Port for firmware; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    firmware_port: u16,
    /// Port for firmware over TLS; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    firmware_tls_port: u16,
    /// Also listen with TLS, for MQTT and firmware.
    #[arg(long)]
    tls: bool,
    /// Write the certificate authority to trust into this file.
    #[arg(long, requires = "tls")]
    ca_file: Option<PathBuf>,
    /// Product key of the device to create.
    #[arg(long, default_value = "a1Sample001")]
    product: String,
    /// Name of the device to create.
    #[arg(long, default_value = "oven001")]
    device: String,
    /// Its secret.
    #[arg(long, default_value = "0123456789abcdef0123456789abcdef")]
    secret: String,
    /// Secret of the product; switches dynamic registration on.
    #[arg(long)]
    product_secret: Option<String>,
    /// Accept any keepalive instead of 30 to 1200 s.
    #[arg(long)]
    any_keepalive: bool,
    /// Keep devices, packages, jobs, ports and the journal in this folder, and go on with what it holds.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Print each line of the journal, as JSON.
    #[arg(long)]
    watch: bool,
    /// Print one line of JSON with the addresses instead of words.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("cloud-emulator: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprint!(": {cause}");
                source = cause.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let defaults = Options::default();
    let emulator = Emulator::start(Options {
        host: arguments.host,
        mqtt_port: arguments.mqtt_port,
        mqtts_port: arguments.mqtts_port,
        api_port: arguments.http_port,
        firmware_port: arguments.firmware_port,
        firmware_tls_port: arguments.firmware_tls_port,
        tls: arguments.tls,
        keepalive: defaults
            .keepalive
            .clone()
            .filter(|_| !arguments.any_keepalive),
        state: arguments.state.clone(),
        ..defaults
    })?;
    let device = DeviceId::new(&arguments.product, &arguments.device);
    if let Some(secret) = &arguments.product_secret {
        emulator.add_product(&arguments.product, Some(secret));
    }
    emulator.add_device(&device, &arguments.secret);
    if let (Some(file), Some(pem)) = (&arguments.ca_file, emulator.ca_pem()) {
        std::fs::write(file, pem)?;
    }
    if arguments.json {
        println!(
            "{}",
            json!({
                "mqtt": emulator.mqtt_address(), "mqtts": emulator.mqtts_address(), "http": emulator.http_address(),
                "firmware": emulator.firmware_address(), "firmware_tls": emulator.firmware_tls_address(),
                "product_key": device.product_key, "device_name": device.device_name, "device_secret": arguments.secret,
            })
        );
    } else {
        introduce(&emulator, &device, &arguments.secret);
    }
    emulator.block_on(async {
        tokio::select! {
            ended = told_to_end() => ended,
            () = show_journal(&emulator), if arguments.watch => Ok(()),
        }
    })?;
    Ok(())
}

/// Prints each journal entry as it is written.
async fn show_journal(emulator: &Emulator) {
    let mut after = 0;
    loop {
        let next = emulator
            .wait_for_entry(after, Duration::MAX, "an entry", |_| true)
            .await;
        let Ok(entry) = next else { return };
        after = entry.seq;
        println!("{}", json!(entry));
    }
}

/// Ctrl-C, and where there is such a thing, the request to terminate: both end the program with its folder removed.
#[cfg(unix)]
async fn told_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminate.recv() => Ok(()),
    }
}

/// Ctrl-C ends the program with its folder removed.
#[cfg(not(unix))]
async fn told_to_end() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

fn introduce(emulator: &Emulator, device: &DeviceId, secret: &str) {
    let DeviceId {
        product_key,
        device_name,
    } = device;
    let http = emulator.http_address();
    println!("MQTT       {}", emulator.mqtt_address());
    if let Some(address) = emulator.mqtts_address() {
        println!("MQTT, TLS  {address}");
    }
    println!("console    http://{http}/");
    println!("HTTP API   http://{http}/api");
    println!("firmware   http://{}", emulator.firmware_address());
    println!();
    println!(
        "A device may log in as product key `{product_key}`, device name `{device_name}`, secret `{secret}`."
    );
    println!("Watch it:            curl http://{http}/api/devices/{product_key}/{device_name}");
    println!(
        "Offer it a version:  curl --data-binary @FILE 'http://{http}/api/firmware?version=1.0.7'"
    );
    println!(
        "              then:  curl http://{http}/api/jobs -d '{{\"firmware\":ID,\"devices\":[{{\"product_key\":\"{product_key}\",\"device_name\":\"{device_name}\"}}]}}'"
    );
    println!("Ctrl-C ends it.");
}
