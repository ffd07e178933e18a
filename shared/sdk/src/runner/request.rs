//! What a runner does for each request; every one of them is answered.

use worker_protocol::{
    Value, ValueMap,
    v1::{Ask, Done, Handover, Refusal, RequestId},
};

use super::{
    ACT_LIMIT, ACTIVATE_LIMIT, Cut, DEVICE_FAILED, QUIESCE_LIMIT, Runner, TOO_LATE, WRONG_STATE,
    not_active,
};
use crate::{
    check,
    device::{Device, Fault},
    exit::Exit,
    log, snapshot,
};

impl<D: Device> Runner<D> {
    pub(super) async fn request(&mut self, id: RequestId, ask: Ask) -> Option<Exit> {
        match ask {
            Ask::Activate { from } => self.activate(id, from).await,
            Ask::Quiesce => Some(self.hand_over(id).await),
            Ask::Stop => Some(self.stop(id).await),
            Ask::MayI | Ask::Set { .. } | Ask::Call { .. } if !self.active => {
                self.line.reply(id, Err(not_active()));
                None
            }
            Ask::MayI => {
                self.done(id, Done::Consent(self.device.may_switch()));
                None
            }
            Ask::Set { properties } => self.set(id, properties).await,
            Ask::Call { service, args } => self.call(id, &service, args).await,
        }
    }

    async fn activate(&mut self, id: RequestId, from: Option<Handover>) -> Option<Exit> {
        if self.active {
            self.refuse(id, WRONG_STATE, "this worker is active already".to_owned());
            return None;
        }
        let from = from.and_then(|it| snapshot::read(&it));
        let (guard, device) = (&mut self.guard, &mut self.device);
        let reporter = self.reporter.clone();
        let work = async {
            guard.take().await;
            device.activate(reporter, from).await
        };
        let activated = self.line.attend(ACTIVATE_LIMIT, work).await;
        // From here on there may be something to make safe, even if it failed.
        self.active = true;
        let (code, why) = match activated {
            Ok(Ok(())) => {
                self.turns.begin(self.device.period());
                self.done(id, Done::Active);
                self.reporter.publish();
                self.stirred();
                // The answer is on its way before the first turn, however long that takes.
                tokio::task::yield_now().await;
                return None;
            }
            Ok(Err(Fault(why))) => (DEVICE_FAILED, why),
            Err(Cut::Late) => (
                TOO_LATE,
                format!("activation took longer than {ACTIVATE_LIMIT:?}"),
            ),
            Err(Cut::Ended(ended)) => return Some(self.make_safe(ended).await),
        };
        log::error(format_args!("could not be activated: {why}"));
        self.refuse(id, code, why);
        self.quiesce().await;
        Some(Exit::Unfit)
    }

    /// Checks all of them first, then sets one after the other in the order of their names.
    async fn set(&mut self, id: RequestId, properties: ValueMap) -> Option<Exit> {
        let settings = match check::settings(&self.model, properties) {
            Ok(settings) => settings,
            Err(refusal) => {
                self.line.reply(id, Err(refusal));
                return None;
            }
        };
        let work = set_all(&mut self.device, settings);
        let result = match self.line.attend(ACT_LIMIT, work).await {
            Ok(result) => result.map(|()| Done::Accepted),
            Err(Cut::Late) => Err(too_late("setting the properties")),
            Err(Cut::Ended(ended)) => return Some(self.make_safe(ended).await),
        };
        self.acted(id, result);
        None
    }

    async fn call(&mut self, id: RequestId, service: &str, args: ValueMap) -> Option<Exit> {
        let args = match check::arguments(&self.model, service, args) {
            Ok(args) => args,
            Err(refusal) => {
                self.line.reply(id, Err(refusal));
                return None;
            }
        };
        let work = self.device.call(service, args);
        let result = match self.line.attend(ACT_LIMIT, work).await {
            Ok(result) => result.map(|outputs| Done::Outputs(self.fitting(service, outputs))),
            Err(Cut::Late) => Err(too_late(service)),
            Err(Cut::Ended(ended)) => return Some(self.make_safe(ended).await),
        };
        self.acted(id, result);
        None
    }

    /// A set or a call has been carried out, in part at least: answer, and tell the new values.
    fn acted(&mut self, id: RequestId, result: Result<Done, Refusal>) {
        self.line.reply(id, result);
        self.reporter.publish();
        self.stirred();
    }

    /// The service has acted, so outputs that break the model are no reason to call it refused; they are left out.
    fn fitting(&self, service: &str, outputs: ValueMap) -> ValueMap {
        match check::outputs(&self.model, service, outputs) {
            Ok(outputs) => outputs,
            Err(refusal) => {
                let why = refusal.message;
                log::error(format_args!(
                    "the outputs of `{service}` are left out: {why}"
                ));
                ValueMap::new()
            }
        }
    }

    async fn hand_over(&mut self, id: RequestId) -> Exit {
        let Some(state) = self.quiesce().await else {
            self.refuse(id, TOO_LATE, not_safe());
            return Exit::Failed;
        };
        match snapshot::write(&state, self.largest_snapshot) {
            Ok(snapshot) => self.done(id, Done::Snapshot(snapshot)),
            Err(error) => {
                log::error(format_args!("hands over nothing: {error}"));
                self.refuse(id, DEVICE_FAILED, error.to_string());
            }
        }
        // The device is safe either way.
        Exit::Done
    }

    async fn stop(&mut self, id: RequestId) -> Exit {
        // A standby has touched nothing that would have to be made safe.
        if self.active {
            let Some(state) = self.quiesce().await else {
                self.refuse(id, TOO_LATE, not_safe());
                return Exit::Failed;
            };
            // Nobody takes over now; whoever starts one day is told where the device stood in the end.
            self.say_checkpoint(&state);
        }
        self.done(id, Done::Stopping);
        Exit::Done
    }
}

async fn set_all<D: Device>(device: &mut D, settings: ValueMap) -> Result<(), Refusal> {
    for (name, value) in settings {
        set_one(device, &name, value).await?;
    }
    Ok(())
}

async fn set_one<D: Device>(device: &mut D, name: &str, value: Value) -> Result<(), Refusal> {
    device.set(name, value).await.map_err(|mut refusal| {
        let quoted = format!("`{name}`");
        if !refusal.message.contains(&quoted) {
            refusal.message = format!("{quoted}: {}", refusal.message);
        }
        refusal
    })
}

fn too_late(what: &str) -> Refusal {
    Refusal {
        code: TOO_LATE,
        message: format!("{what} took longer than {ACT_LIMIT:?} and was given up"),
    }
}

fn not_safe() -> String {
    format!("the device did not become safe within {QUIESCE_LIMIT:?}")
}
