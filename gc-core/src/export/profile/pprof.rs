#![forbid(unsafe_code)]
//! A profile in the format of pprof: gzip around the protocol buffer of `profile.proto`.
//!
//! Each sample has a value for each [`ProfileValue`], and the labels `type` and `bytes` (one
//! object). `go tool pprof -tagleaf=type` shows the types as innermost frames.

use super::{HeapProfile, ProfileFrame, ProfileValue};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

/// The messages of `profile.proto`, without what is not written.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub(super) sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub(super) sample: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(super) mapping: Vec<Mapping>,
        #[prost(message, repeated, tag = "4")]
        pub(super) location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub(super) function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub(super) string_table: Vec<String>,
        #[prost(int64, tag = "9")]
        pub(super) time_nanos: i64,
        #[prost(message, optional, tag = "11")]
        pub(super) period_type: Option<ValueType>,
        #[prost(int64, tag = "12")]
        pub(super) period: i64,
        #[prost(int64, tag = "14")]
        pub(super) default_sample_type: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ValueType {
        #[prost(int64, tag = "1")]
        pub(super) r#type: i64,
        #[prost(int64, tag = "2")]
        pub(super) unit: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub(super) location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub(super) value: Vec<i64>,
        #[prost(message, repeated, tag = "3")]
        pub(super) label: Vec<Label>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Label {
        #[prost(int64, tag = "1")]
        pub(super) key: i64,
        #[prost(int64, tag = "2")]
        pub(super) str: i64,
        #[prost(int64, tag = "3")]
        pub(super) num: i64,
        #[prost(int64, tag = "4")]
        pub(super) num_unit: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Mapping {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(int64, tag = "5")]
        pub(super) filename: i64,
        #[prost(bool, tag = "7")]
        pub(super) has_functions: bool,
        #[prost(bool, tag = "8")]
        pub(super) has_filenames: bool,
        #[prost(bool, tag = "9")]
        pub(super) has_line_numbers: bool,
        #[prost(bool, tag = "10")]
        pub(super) has_inline_frames: bool,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Location {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(uint64, tag = "2")]
        pub(super) mapping_id: u64,
        #[prost(message, repeated, tag = "4")]
        pub(super) line: Vec<Line>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Line {
        #[prost(uint64, tag = "1")]
        pub(super) function_id: u64,
        #[prost(int64, tag = "2")]
        pub(super) line: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Function {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(int64, tag = "2")]
        pub(super) name: i64,
        #[prost(int64, tag = "3")]
        pub(super) system_name: i64,
        #[prost(int64, tag = "4")]
        pub(super) filename: i64,
    }
}

use proto::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};

/// The message as it grows, and the places of what it has.
#[derive(Default)]
struct Writer<'a> {
    profile: Profile,
    strings: HashMap<&'a str, i64>,
    functions: HashMap<(i64, i64), u64>,
    locations: HashMap<&'a ProfileFrame, u64>,
}

impl<'a> Writer<'a> {
    fn string(&mut self, text: &'a str) -> i64 {
        let table = &mut self.profile.string_table;
        *self.strings.entry(text).or_insert_with(|| {
            table.push(text.to_owned());
            table.len() as i64 - 1
        })
    }
    fn value_type(&mut self, name: &'a str, unit: &'a str) -> ValueType {
        ValueType { r#type: self.string(name), unit: self.string(unit) }
    }
    fn function(&mut self, frame: &'a ProfileFrame) -> u64 {
        let (name, filename) = (self.string(frame.name()), self.string(frame.file()));
        let all = &mut self.profile.function;
        *self.functions.entry((name, filename)).or_insert_with(|| {
            let id = all.len() as u64 + 1;
            all.push(Function { id, name, system_name: name, filename });
            id
        })
    }
    fn location(&mut self, frame: &'a ProfileFrame) -> u64 {
        if let Some(id) = self.locations.get(frame) {
            return *id;
        }
        let line = Line { function_id: self.function(frame), line: frame.line().into() };
        let id = self.profile.location.len() as u64 + 1;
        self.profile.location.push(Location { id, mapping_id: 1, line: vec![line] });
        self.locations.insert(frame, id);
        id
    }
}

impl HeapProfile {
    /// Writes the profile for `go tool pprof` and every other tool that reads pprof's format:
    /// usually a file with the ending `.pb.gz`. It has all [`ProfileValue`]s; the one shown first
    /// is `inuse_space`.
    ///
    /// [`HeapProfile`] has an example.
    ///
    /// # Errors
    ///
    /// Those of `to`, for example a disk that is full.
    pub fn write_pprof(&self, mut to: impl Write) -> io::Result<()> {
        let bytes = self.message().encode_to_vec();
        let mut gzip = GzEncoder::new(&mut to, Compression::default());
        gzip.write_all(&bytes)?;
        gzip.finish()?;
        to.flush()
    }

    fn message(&self) -> Profile {
        let program = std::env::current_exe().unwrap_or_default().display().to_string();
        let mut writer = Writer::default();
        writer.string("");
        for value in ProfileValue::ALL {
            let value_type = writer.value_type(value.name(), value.unit());
            writer.profile.sample_type.push(value_type);
        }
        // The names are here already, so pprof need not look for them.
        let mapping = Mapping {
            id: 1,
            filename: writer.string(&program),
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            has_inline_frames: true,
        };
        let (key, bytes) = (writer.string("type"), writer.string("bytes"));
        for site in self.sites() {
            let str = writer.string(site.type_name());
            let num = site.object_bytes() as i64;
            let label = vec![
                Label { key, str, ..Label::default() },
                Label { key: bytes, num, num_unit: bytes, ..Label::default() },
            ];
            let value = ProfileValue::ALL.map(|value| site.value(value) as i64).to_vec();
            let location_id = site.frames().iter().map(|frame| writer.location(frame)).collect();
            writer.profile.sample.push(Sample { location_id, value, label });
        }
        let since = self.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let period_type = Some(writer.value_type("space", "bytes"));
        let default_sample_type = writer.string(ProfileValue::InuseSpace.name());
        Profile {
            mapping: vec![mapping],
            time_nanos: since.as_nanos() as i64,
            period_type,
            period: self.rate() as i64,
            default_sample_type,
            ..writer.profile
        }
    }
}
