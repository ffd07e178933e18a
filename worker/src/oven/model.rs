//! The oven's thing model: every name and range the cloud may use, written down once.
//!
//! `firmware_version`, `ota_status`, `ota_progress` and `last_update_time` are not here: the supervisor owns them, and the sdk
//! adds them to the printed model. The targets' range is the platform's 0 to 300; that the oven refuses more than 240 is a
//! rule, not a type, and lies in `control`.

use worker_sdk::model::{Event, Field, Grade, Kind, Model, Property, Service};

/// What the oven calls itself.
pub(crate) const NAME: &str = "SmartOven-X1";

/// This program's version: `HOTPLATE_WORKER_VERSION` at build time, so that one source yields the versions an upgrade needs.
pub(crate) const VERSION: &str = match option_env!("HOTPLATE_WORKER_VERSION") {
    Some(version) => version,
    None => "1.0.0",
};

/// The oven's identity, properties, services and events.
pub(crate) fn model() -> Model {
    Model {
        name: NAME,
        version: VERSION.to_owned(),
        properties: properties(),
        services: services(),
        events: events(),
    }
}

fn properties() -> Vec<Property> {
    let read = |id, name, kind| Property {
        field: Field { id, name, kind },
        writable: false,
    };
    let write = |id, name, kind| Property {
        field: Field { id, name, kind },
        writable: true,
    };
    vec![
        read("current_temperature", "当前温度", degrees()),
        write("target_temperature", "目标温度", degrees()),
        read("heater_status", "加热状态", switch("关", "开")),
        write("timer_setting", "定时设置", minutes()),
        read("remaining_time", "剩余时间", minutes()),
        read("door_status", "门状态", switch("关闭", "打开")),
        read("power_consumption", "功率", watts()),
        read("operation_mode", "运行模式", Kind::Text { longest: 32 }),
        write("internal_light", "内部照明", switch("关", "开")),
        read("fan_status", "风扇状态", switch("关", "开")),
    ]
}

fn services() -> Vec<Service> {
    vec![
        Service {
            id: "set_temperature",
            name: "设置温度",
            inputs: vec![field("temperature", "温度", degrees())],
            outputs: vec![success(), message()],
        },
        Service {
            id: "start_timer",
            name: "启动定时",
            inputs: vec![field("time", "时间", minutes())],
            outputs: vec![success(), message()],
        },
        Service {
            id: "toggle_door",
            name: "开关门",
            inputs: vec![],
            outputs: vec![
                field("door_status", "门状态", switch("关闭", "打开")),
                message(),
            ],
        },
    ]
}

fn events() -> Vec<Event> {
    let info = |id, name| Event {
        id,
        name,
        grade: Grade::Info,
        outputs: vec![message()],
    };
    vec![
        Event {
            id: "overheat_alarm",
            name: "过热报警",
            grade: Grade::Alert,
            // From 0, not from 250 as the origin had it, so that no report ever violates its own range.
            outputs: vec![field("current_temperature", "当前温度", degrees())],
        },
        info("timer_complete", "定时完成"),
        info("timer_cancelled", "定时取消"),
        info("state_not_resumed", "状态未恢复"),
    ]
}

fn field(id: &'static str, name: &'static str, kind: Kind) -> Field {
    Field { id, name, kind }
}

fn success() -> Field {
    field("success", "是否成功", switch("失败", "成功"))
}

fn message() -> Field {
    field("message", "消息", Kind::Text { longest: 128 })
}

fn switch(off: &'static str, on: &'static str) -> Kind {
    Kind::Bool { off, on }
}

fn degrees() -> Kind {
    Kind::Float {
        min: 0.0,
        max: 300.0,
        step: 0.1,
        unit: "°C",
    }
}

fn watts() -> Kind {
    Kind::Float {
        min: 0.0,
        max: 3000.0,
        step: 0.1,
        unit: "W",
    }
}

fn minutes() -> Kind {
    Kind::Int {
        min: 0,
        max: super::control::LONGEST_TIMER,
        unit: "min",
    }
}
