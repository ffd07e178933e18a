//! The electric oven: Hotplate's reference device, written only against the sdk.
//!
//! The sdk owns the leash, the socket and the process; what is the oven's lies in `oven`.

mod oven;

fn main() -> std::process::ExitCode {
    worker_sdk::run(oven::Oven::new)
}
