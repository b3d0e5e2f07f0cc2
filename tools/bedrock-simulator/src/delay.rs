use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::random::Random;

/// A delay, fixed (`50ms`) or anywhere in a range (`50ms..300ms`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delay {
    min: Duration,
    max: Duration,
}

/// The text is neither a duration nor two of them with `..` between, the smaller first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a delay, as in `50ms` or `50ms..300ms`: {0:?}")]
pub struct InvalidDelay(String);

impl Delay {
    /// A delay between two durations, given in any order.
    pub fn between(one: Duration, other: Duration) -> Self {
        Self {
            min: one.min(other),
            max: one.max(other),
        }
    }

    pub(crate) fn choose(self, random: &mut Random) -> Duration {
        let width = u64::try_from(self.max.saturating_sub(self.min).as_nanos()).unwrap_or(u64::MAX);
        self.min + Duration::from_nanos(random.up_to(width))
    }
}

impl From<Duration> for Delay {
    fn from(fixed: Duration) -> Self {
        Self::between(fixed, fixed)
    }
}

impl FromStr for Delay {
    type Err = InvalidDelay;

    fn from_str(text: &str) -> Result<Self, InvalidDelay> {
        let invalid = || InvalidDelay(text.to_owned());
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let delay = Self {
            min: duration(min).ok_or_else(invalid)?,
            max: duration(max).ok_or_else(invalid)?,
        };
        if delay.min > delay.max {
            return Err(invalid());
        }
        Ok(delay)
    }
}

fn duration(text: &str) -> Option<Duration> {
    text.parse::<SignedDuration>().ok()?.try_into().ok()
}

impl TryFrom<String> for Delay {
    type Error = InvalidDelay;

    fn try_from(text: String) -> Result<Self, InvalidDelay> {
        text.parse()
    }
}

impl From<Delay> for String {
    fn from(delay: Delay) -> Self {
        delay.to_string()
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        write!(formatter, "{:#}", signed(self.min))?;
        if self.min != self.max {
            write!(formatter, "..{:#}", signed(self.max))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn fixed_and_ranged_delays_round_trip() {
        for text in ["50ms", "50ms..300ms", "0s..2s"] {
            assert_eq!(text.parse::<Delay>().unwrap().to_string(), text);
        }
        for text in ["", "soon", "300ms..50ms", "-1s", "1s.."] {
            text.parse::<Delay>().unwrap_err();
        }
    }

    #[test]
    fn ranged_delay_stays_in_range() {
        let (min, max) = (Duration::from_millis(50), Duration::from_millis(300));
        let mut random = Random::new(1);
        for _ in 0..1000 {
            let chosen = Delay::between(min, max).choose(&mut random);
            assert!((min..=max).contains(&chosen), "{chosen:?}");
        }
        assert_eq!(Delay::from(min).choose(&mut random), min);
    }
}
