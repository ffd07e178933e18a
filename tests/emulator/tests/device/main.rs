//! The emulator as a device meets it: rumqttc as the device, plain sockets for downloads.

mod client;
mod login;
mod ota;
