//! The plain case of usage, compiled.
//!
//! `PlainUsage.apply` runs over records for as long as they are plain and stops at the first that
//! is not; Python applies that one and calls again. It stops after usage, too, that crossed
//! thresholds and that it cannot tell of itself: that is applied, and Python tells of it. What it
//! writes is byte for byte what `streamproc.core` writes, which the tests hold over whole workloads.

// Without Python nothing calls all this but the tests.
#![cfg_attr(not(feature = "python"), allow(dead_code))]

mod account;
mod applying;
mod bucket;
mod calendar;
mod dedupe;
mod extra;
mod form;
mod json;
mod msgpack;
mod place;
#[cfg(feature = "python")]
mod python;
mod row;
mod rules;
mod speed;
mod telling;
#[cfg(test)]
mod testing;
mod usage;
mod watching;
mod words;

// Made by `make generate`.
#[rustfmt::skip]
mod constants_generated;
#[cfg(test)]
#[rustfmt::skip]
mod fixtures_generated;
#[rustfmt::skip]
mod interface_generated;
#[rustfmt::skip]
mod outputs_generated;
#[rustfmt::skip]
mod rows_generated;
#[rustfmt::skip]
mod usage_generated;
#[rustfmt::skip]
mod views_generated;
