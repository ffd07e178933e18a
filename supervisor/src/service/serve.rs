//! The supervisor as the service that Windows started: its wishes come from service control instead of a console, and so does the news of
//! its end go there.

use std::{
    ffi::OsString,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;
use windows_service::{
    define_windows_service,
    service::{
        ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus,
        ServiceType,
    },
    service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle},
    service_dispatcher,
};

use super::{Name, ServiceError, windows::STOP};
use crate::exit::Exit;

/// What the service does, until a wish to end comes.
type Work = Box<dyn FnOnce(mpsc::Receiver<()>) -> Exit + Send>;

/// What is to be done on the thread that Windows makes for the service, which is handed nothing of ours.
static WORK: Mutex<Option<(Name, Work)>> = Mutex::new(None);

/// Where the state is told, once that is known.
static TELLS: OnceLock<ServiceStatusHandle> = OnceLock::new();

define_windows_service!(entry, begin);

/// Hands the process to service control, and returns when the service has ended.
pub(crate) fn serve(name: &Name, work: Work) -> Result<(), ServiceError> {
    *WORK.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.clone(), work));
    service_dispatcher::start(name.to_string(), entry).map_err(|why| {
        let words = crate::drivers::chain(&why);
        ServiceError::Refused(format!(
            "only Windows itself starts it so; `supervisor run` runs it here: {words}"
        ))
    })
}

fn begin(_: Vec<OsString>) {
    let work = WORK.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((name, work)) = work else { return };
    // Two wishes are all that can matter.
    let (wish, wished) = mpsc::channel(2);
    let control = move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown | ServiceControl::Preshutdown => {
            tell(ServiceState::StopPending, ServiceExitCode::NO_ERROR);
            let _ = wish.try_send(());
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    // Without it nobody could ask the service to end, and nobody is told that it runs.
    let Ok(tells) = service_control_handler::register(name.to_string(), control) else {
        return;
    };
    let _ = TELLS.set(tells);
    tell(ServiceState::Running, ServiceExitCode::NO_ERROR);
    let exit = match work(wished) {
        Exit::Done => ServiceExitCode::NO_ERROR,
        exit => ServiceExitCode::ServiceSpecific(exit as u32),
    };
    tell(ServiceState::Stopped, exit);
}

fn tell(state: ServiceState, exit_code: ServiceExitCode) {
    let Some(tells) = TELLS.get() else { return };
    let (accepted, hint) = match state {
        ServiceState::Running => (
            ServiceControlAccept::STOP
                | ServiceControlAccept::SHUTDOWN
                | ServiceControlAccept::PRESHUTDOWN,
            Duration::ZERO,
        ),
        ServiceState::StopPending => (ServiceControlAccept::empty(), Duration::from_secs(STOP)),
        _ => (ServiceControlAccept::empty(), Duration::ZERO),
    };
    // Service control sees the end of the process all the same.
    let _ = tells.set_service_status(ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: accepted,
        exit_code,
        checkpoint: 0,
        wait_hint: hint,
        process_id: None,
    });
}
