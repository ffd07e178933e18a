//! A device's thing model, as its author writes it down; the platform's import file (TSL) is made from it.

/// Everything the outside may know of a device.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Model {
    /// The device's kind, for example `SmartOven-X1`.
    pub name: &'static str,
    /// The program's version, 1 to 64 letters, digits, dots, dashes or underscores.
    pub version: String,
    /// What can be read, and some of it written.
    pub properties: Vec<Property>,
    /// What can be called.
    pub services: Vec<Service>,
    /// What can happen.
    pub events: Vec<Event>,
}

impl Model {
    /// A device of this kind and version, with nothing to see yet.
    #[must_use]
    pub fn new(name: &'static str, version: &str) -> Self {
        Self {
            name,
            version: version.to_owned(),
            ..Self::default()
        }
    }

    /// The same with one more property.
    #[must_use]
    pub fn with(mut self, property: Property) -> Self {
        self.properties.push(property);
        self
    }
}

/// One named value of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its identifier on the wire.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
}

/// One property.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Identifier, name and kind.
    pub field: Field,
    /// May the cloud set it?
    pub writable: bool,
}

impl Property {
    /// One that the cloud may read.
    #[must_use]
    pub fn readable(id: &'static str, name: &'static str, kind: Kind) -> Self {
        let field = Field { id, name, kind };
        let writable = false;
        Self { field, writable }
    }

    /// One that the cloud may read and set.
    #[must_use]
    pub fn writable(id: &'static str, name: &'static str, kind: Kind) -> Self {
        let writable = true;
        Self {
            writable,
            ..Self::readable(id, name, kind)
        }
    }
}

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its identifier on the wire.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What it takes.
    pub inputs: Vec<Field>,
    /// What it gives back.
    pub outputs: Vec<Field>,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its identifier on the wire.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// How grave it is.
    pub grade: Grade,
    /// What it tells.
    pub outputs: Vec<Field>,
}

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// Good to know.
    Info,
    /// Somebody should look.
    Alert,
    /// Something failed.
    Error,
}

/// What values a field takes. Ranges are inclusive.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// True or false, with the words for both.
    Bool {
        /// What false means.
        off: &'static str,
        /// What true means.
        on: &'static str,
    },
    /// A whole number.
    Int {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// Its unit, or empty.
        unit: &'static str,
    },
    /// A number with a fraction.
    Float {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// The smallest difference worth telling.
        step: f64,
        /// Its unit, or empty.
        unit: &'static str,
    },
    /// Text.
    Text {
        /// Longest text in bytes, at most 10,240.
        longest: usize,
    },
}

impl Kind {
    /// A whole number in this range, with its unit or an empty text.
    #[must_use]
    pub fn int(range: std::ops::RangeInclusive<i64>, unit: &'static str) -> Self {
        let (min, max) = range.into_inner();
        Self::Int { min, max, unit }
    }
}
