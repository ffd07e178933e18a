//! What the store promises, on a real disk and on one that keeps no more than it must.

mod conformance;
mod cuts;
mod driver;
mod failures;
mod mistakes;
mod stories;
