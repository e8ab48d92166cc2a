//! Times as logs write them.

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The number of a month by its English name, from 1.
#[must_use]
pub fn month(name: &[u8]) -> Option<i64> {
    let place = MONTHS.iter().position(|month| month.as_slice() == name)?;
    i64::try_from(place).ok().map(|place| place + 1)
}

/// Seconds since the Unix epoch of a UTC date and time.
#[must_use]
pub fn seconds_of((year, month, day): (i64, i64, i64), (hour, minute, second): (i64, i64, i64)) -> i64 {
    // Years begin in March, so that the leap day is a year's last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    days * 86_400 + hour * 3600 + minute * 60 + second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_the_epoch() {
        assert_eq!(seconds_of((1970, 1, 1), (0, 0, 0)), 0);
        assert_eq!(seconds_of((2025, 1, 21), (20, 34, 0)), 1_737_491_640);
        assert_eq!((month(b"Feb"), month(b"feb")), (Some(2), None));
    }
}
