//! Windows: a service that its service control starts, stops and starts again.

use std::{
    ffi::OsString,
    thread::sleep,
    time::{Duration, Instant},
};

use windows_service::{
    Error,
    service::{
        Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl,
        ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType,
        ServiceState, ServiceType,
    },
    service_manager::{ServiceManager, ServiceManagerAccess},
};

use super::{
    Definition, Name, ServiceError, State,
    definition::plain,
    windows::{CALM, RESTARTS, STOP},
};

/// ERROR_ACCESS_DENIED.
const DENIED: i32 = 5;
/// ERROR_SERVICE_DOES_NOT_EXIST.
const NO_SERVICE: i32 = 1060;
/// ERROR_SERVICE_ALREADY_RUNNING.
const RUNS: i32 = 1056;
/// ERROR_SERVICE_NOT_ACTIVE.
const RESTS: i32 = 1062;

/// How long a start or a stop may take before it is told that it goes on by itself.
const WAIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) fn install(of: &Definition) -> Result<String, ServiceError> {
    plain(&of.program)?;
    plain(&of.config)?;
    let arguments = ["--config".into(), of.config.clone().into_os_string()];
    let rest = ["service", "--name", &of.name.to_string(), "run"].map(OsString::from);
    let info = ServiceInfo {
        name: of.name.to_string().into(),
        display_name: format!("Hotplate supervisor ({})", of.name).into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: of.program.clone(),
        launch_arguments: arguments.into_iter().chain(rest).collect(),
        dependencies: Vec::new(),
        account_name: None,
        account_password: None,
    };
    let told = |why| failed("the service is not installed", &why);
    let access = ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE;
    let scm = ServiceManager::local_computer(None::<&str>, access).map_err(told)?;
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START | ServiceAccess::QUERY_CONFIG;
    let service = match scm.open_service(info.name.clone(), access) {
        Ok(service) => {
            let there = service.query_config().map_err(told)?;
            // Its command line is all that tells whose it is.
            let command = there.executable_path.to_string_lossy().into_owned();
            if !command.contains(&format!("service --name {} run", of.name)) {
                return Err(ServiceError::Foreign(of.name.to_string().into()));
            }
            service.change_config(&info).map_err(told)?;
            service
        }
        Err(why) if code(&why) == Some(NO_SERVICE) => {
            scm.create_service(&info, access).map_err(told)?
        }
        Err(why) => return Err(told(why)),
    };
    let restart = |wait: u64| ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: Duration::from_millis(wait),
    };
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(CALM)),
        reboot_msg: None,
        command: None,
        actions: Some(RESTARTS.map(restart).to_vec()),
    };
    // What an older system does not know is done without, and told.
    let further = [
        (
            "a description",
            service
                .set_description("Keeps the device's worker running and upgrades it over the air"),
        ),
        ("restarts", service.update_failure_actions(actions)),
        (
            "restarts after an orderly failure",
            service.set_failure_actions_on_non_crash_failures(true),
        ),
        ("a delayed start", service.set_delayed_auto_start(true)),
        (
            "a time to stop when the machine does",
            service.set_preshutdown_timeout(Duration::from_secs(STOP)),
        ),
    ];
    let mut words = format!("the service `{}` is installed\n", of.name);
    for (what, done) in further {
        if let Err(why) = done {
            words += &format!("without {what}: {}\n", crate::drivers::chain(&why));
        }
    }
    Ok(words)
}

pub(super) fn uninstall(name: &Name) -> Result<String, ServiceError> {
    let access = ServiceAccess::STOP | ServiceAccess::QUERY_STATUS | ServiceAccess::DELETE;
    let service = open(name, access)?;
    end(&service, name)?;
    service
        .delete()
        .map_err(|why| failed("the service is not removed", &why))?;
    Ok(format!("the service `{name}` is stopped and removed\n"))
}

pub(super) fn start(name: &Name) -> Result<String, ServiceError> {
    let service = open(name, ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
    match service.start::<&str>(&[]) {
        Err(why) if code(&why) != Some(RUNS) => {
            return Err(failed("the service is not started", &why));
        }
        _ => {}
    }
    let state = awaited(&service, name, ServiceState::Running)?;
    Ok(state.words)
}

pub(super) fn stop(name: &Name) -> Result<String, ServiceError> {
    let service = open(name, ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
    end(&service, name)?;
    Ok(format!("the service `{name}` is stopped\n"))
}

pub(super) fn state(name: &Name) -> Result<State, ServiceError> {
    look(&open(name, ServiceAccess::QUERY_STATUS)?, name).map(|(_, state)| state)
}

fn end(service: &Service, name: &Name) -> Result<(), ServiceError> {
    match service.stop() {
        Err(why) if code(&why) != Some(RESTS) => {
            return Err(failed("the service is not stopped", &why));
        }
        _ => {}
    }
    awaited(service, name, ServiceState::Stopped).map(drop)
}

/// Waits for a state, within bounds.
fn awaited(service: &Service, name: &Name, wanted: ServiceState) -> Result<State, ServiceError> {
    let begun = Instant::now();
    loop {
        let (now, state) = look(service, name)?;
        if now == wanted {
            return Ok(state);
        }
        let has_failed = wanted == ServiceState::Running && now == ServiceState::Stopped;
        if has_failed || begun.elapsed() >= WAIT {
            return Err(ServiceError::Refused(state.words.trim_end().to_owned()));
        }
        sleep(LOOK_AGAIN);
    }
}

fn look(service: &Service, name: &Name) -> Result<(ServiceState, State), ServiceError> {
    let status = service
        .query_status()
        .map_err(|why| failed("the service does not say how it is", &why))?;
    let now = status.current_state;
    let words = match now {
        ServiceState::Running => "running",
        ServiceState::Stopped => "stopped",
        ServiceState::StartPending => "starting",
        ServiceState::StopPending => "stopping",
        _ => "paused",
    };
    let process = status
        .process_id
        .filter(|_| now == ServiceState::Running)
        .map_or_else(String::new, |process| format!(", process {process}"));
    let state = State {
        is_up: now == ServiceState::Running,
        words: format!("{name}: {words}{process}\n"),
    };
    Ok((now, state))
}

fn open(name: &Name, access: ServiceAccess) -> Result<Service, ServiceError> {
    let scm = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT);
    let opened = scm.and_then(|scm| scm.open_service(name.to_string(), access));
    opened.map_err(|why| match code(&why) {
        Some(NO_SERVICE) => ServiceError::NotInstalled(name.clone()),
        _ => failed("the service cannot be reached", &why),
    })
}

fn code(why: &Error) -> Option<i32> {
    match why {
        Error::Winapi(why) => why.raw_os_error(),
        _ => None,
    }
}

fn failed(what: &str, why: &Error) -> ServiceError {
    match code(why) {
        Some(DENIED) => ServiceError::Denied(what.to_owned()),
        _ => ServiceError::Refused(format!("{what}: {}", crate::drivers::chain(why))),
    }
}
