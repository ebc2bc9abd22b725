//! From values to places along an axis, and where the ticks are.

#![forbid(unsafe_code)]

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From zero, or from the least value if that is below.
    Linear,
    /// Equal factors are equally long. What is not above zero has no place.
    Log,
}

/// An axis with its bounds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
}

/// The most steps of a linear axis.
const STEPS: f64 = 8.0;

impl Scale {
    /// A scale that holds all values, with round bounds; none if no value has a place.
    pub(crate) fn around(kind: Kind, values: impl Iterator<Item = f64>) -> Option<Scale> {
        let has_place = |v: &f64| v.is_finite() && (kind == Kind::Linear || *v > 0.0);
        let (low, high) = values
            .filter(has_place)
            .fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return None;
        }
        Some(match kind {
            Kind::Linear => {
                let low = low.min(0.0);
                let step = linear_step(low, if high > low { high } else { low + 1.0 });
                let up = (high / step).ceil().max((low / step).floor() + 1.0) * step;
                Scale { kind, low: (low / step).floor() * step, high: up }
            }
            Kind::Log => {
                let (low, high) = (round_down(low), round_up(high));
                Scale { kind, low, high: if high > low { high } else { low * 10.0 } }
            }
        })
    }

    /// A scale with bounds of its own.
    pub(crate) fn fixed(kind: Kind, low: f64, high: f64) -> Scale {
        Scale { kind, low, high }
    }

    /// The place of a value, 0 at the low end and 1 at the high one; none if it has no place or lies outside.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let place = match self.kind {
            Kind::Linear => (value - self.low) / (self.high - self.low),
            Kind::Log if value > 0.0 => (value / self.low).ln() / (self.high / self.low).ln(),
            Kind::Log => return None,
        };
        // Rounding may put a bound a little outside.
        (-1e-9..=1.0 + 1e-9).contains(&place).then_some(place)
    }

    /// The values that get a tick, and what is written there.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let values: Vec<f64> = match self.kind {
            Kind::Linear => {
                let step = linear_step(self.low, self.high);
                let first = (self.low / step - 1e-9).ceil() as i64;
                let last = (self.high / step + 1e-9).floor() as i64;
                (first..=last).map(|i| i as f64 * step).collect()
            }
            Kind::Log => {
                let decades = (self.high / self.low).log10();
                let factors: &[f64] = match decades {
                    4.0.. => &[1.0],
                    1.0.. => &[1.0, 2.0, 5.0],
                    _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
                };
                let first = self.low.log10().floor() as i32;
                let last = self.high.log10().ceil() as i32;
                let all =
                    (first..=last).flat_map(|e| factors.iter().map(move |f| f * 10f64.powi(e)));
                all.filter(|v| *v >= self.low * 0.999 && *v <= self.high * 1.001).collect()
            }
        };
        values.into_iter().map(|v| (v, label(v))).collect()
    }
}

/// A step of 1, 2 or 5 times a power of ten.
fn linear_step(low: f64, high: f64) -> f64 {
    let rough = (high - low) / STEPS;
    let power = 10f64.powf(rough.log10().floor());
    let factor = rough / power;
    // A hair of slack: 0.8 / 8 is not quite 0.1.
    let nice = [1.0, 2.0, 5.0].into_iter().find(|f| factor <= f * (1.0 + 1e-9)).unwrap_or(10.0);
    nice * power
}

/// The next 1, 2 or 5 times a power of ten at or below.
fn round_down(x: f64) -> f64 {
    let power = 10f64.powf(x.log10().floor());
    let factor = x / power;
    let nice = [5.0, 2.0].into_iter().find(|f| factor >= f * (1.0 - 1e-9)).unwrap_or(1.0);
    nice * power
}

/// The same at or above.
fn round_up(x: f64) -> f64 {
    let power = 10f64.powf(x.log10().floor());
    let factor = x / power;
    let nice = [1.0, 2.0, 5.0].into_iter().find(|f| factor <= f * (1.0 + 1e-9)).unwrap_or(10.0);
    nice * power
}

/// A round number in few characters.
fn label(x: f64) -> String {
    let (x, unit) = match x.abs() {
        size if size >= 0.999e6 => (x / 1e6, "M"),
        size if size >= 0.999e4 => (x / 1e3, "k"),
        _ => (x, ""),
    };
    // Ticks are round: at most four decimals, and none that are zero.
    let text = format!("{x:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}{unit}", if text == "-0" { "0" } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn linear() {
        let scale = Scale::around(Kind::Linear, [3.0, 7.3].into_iter()).unwrap();
        assert_eq!(labels(&scale), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!((scale.place(0.0), scale.place(8.0)), (Some(0.0), Some(1.0)));
        assert_eq!((scale.place(4.0), scale.place(9.0)), (Some(0.5), None));
        let one = Scale::fixed(Kind::Linear, 0.0, 1.0);
        assert_eq!(labels(&one), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        let same = Scale::around(Kind::Linear, [0.0].into_iter()).unwrap();
        assert_eq!(same.place(0.0), Some(0.0));
    }

    #[test]
    fn log() {
        let scale = Scale::around(Kind::Log, [0.0, 1.5, 90_000.0, f64::NAN].into_iter()).unwrap();
        assert_eq!(labels(&scale), ["1", "10", "100", "1000", "10k", "100k"]);
        assert!((scale.place(1000.0).unwrap() - 0.6).abs() < 1e-9);
        assert_eq!(scale.place(0.0), None);
        let narrow = Scale::around(Kind::Log, [100.0, 180.0].into_iter()).unwrap();
        assert_eq!(labels(&narrow), ["100", "150", "200"]);
        let short = Scale::around(Kind::Log, [0.3, 4.0].into_iter()).unwrap();
        assert_eq!(labels(&short), ["0.2", "0.5", "1", "2", "5"]);
        let same = Scale::around(Kind::Log, [5.0].into_iter()).unwrap();
        assert_eq!(same.place(5.0), Some(0.0));
    }

    #[test]
    fn nothing_has_no_scale() {
        assert_eq!(Scale::around(Kind::Log, [0.0, -1.0].into_iter()), None);
        assert_eq!(Scale::around(Kind::Linear, std::iter::empty()), None);
    }

    #[test]
    fn labels_are_short() {
        let of = [0.0, 0.05, 0.2, 2.5, 8000.0, 20_000.0, 8_000_000.0];
        assert_eq!(of.map(label), ["0", "0.05", "0.2", "2.5", "8000", "20k", "8M"]);
    }
}
