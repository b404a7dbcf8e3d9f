//! HTTP dates (RFC 9110 section 5.6.7), read strictly: what is no date must not keep anything fresh.

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Seconds since the Unix epoch. `now`, likewise, tells the century of a year with two digits: one that would
/// be more than 50 years ahead is past.
pub fn parse(text: &str, now: i64) -> Option<i64> {
    let text = text.to_ascii_lowercase();
    let parts: Vec<&str> = text.split(' ').collect();
    match *parts.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [weekday, day, month, year, time, "gmt"] if is_day(weekday.strip_suffix(',')?, true) => {
            seconds(number(year, 4)?, self::month(month)?, number(day, 2)?, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [weekday, date, time, "gmt"] if is_day(weekday.strip_suffix(',')?, false) => {
            let mut date = date.split('-');
            let (day, month, year) = (date.next()?, date.next()?, date.next()?);
            let (this_year, ..) = civil(now.div_euclid(86_400));
            let mut year = this_year.div_euclid(100) * 100 + number(year, 2)?;
            if year > this_year + 50 {
                year -= 100;
            }
            let rest = date.next();
            let read = seconds(year, self::month(month)?, number(day, 2)?, time);
            read.filter(|_| rest.is_none())
        }
        // Sun Nov  6 08:49:37 1994
        [weekday, month, "", day, time, year] if is_day(weekday, true) => {
            seconds(number(year, 4)?, self::month(month)?, number(day, 1)?, time)
        }
        [weekday, month, day, time, year] if is_day(weekday, true) => {
            seconds(number(year, 4)?, self::month(month)?, number(day, 2)?, time)
        }
        _ => None,
    }
}

/// Whether the weekday is one. It need not be that of the date.
fn is_day(name: &str, short: bool) -> bool {
    DAYS.iter().any(|day| if short { day[..3] == *name } else { *day == name })
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let valid = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| text.parse().ok())?
}

fn month(name: &str) -> Option<i64> {
    (1..).zip(MONTHS).find(|(_, month)| *month == name).map(|(number, _)| number)
}

fn seconds(year: i64, month: i64, day: i64, time: &str) -> Option<i64> {
    let mut parts = time.split(':');
    let mut next = || number(parts.next()?, 2);
    let (hour, minute, second) = (next()?, next()?, next()?);
    let days = days(year, month, day);
    // A leap second is the last of its day that we can tell.
    let valid = parts.next().is_none()
        && civil(days) == (year, month, day)
        && hour < 24
        && minute < 60
        && second <= 60;
    valid.then(|| days * 86_400 + hour * 3_600 + minute * 60 + second.min(59))
}

/// Days since the Unix epoch of a date in the Gregorian calendar (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days`] (same source, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_790_000_000;

    #[test]
    fn the_three_forms_are_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "SUN, 06 NOV 1994 08:49:37 gmt",
        ] {
            assert_eq!(parse(text, NOW), Some(784_111_777), "{text}");
        }
        assert_eq!(parse("Thursday, 18-Aug-50 02:01:18 GMT", NOW), Some(2_544_400_878));
        assert_eq!(parse("Tue, 29 Feb 2028 23:59:60 GMT", NOW), Some(1_835_481_599));
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "0",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 31 Feb 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 24:01:18 GMT",
        ] {
            assert_eq!(parse(text, NOW), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_may_be_read(text: String) {
            parse(&text, NOW);
        }

        #[test]
        fn text_made_of_the_parts_of_dates_may_be_read(text in "[a-zA-Z0-9 ,:-]{0,40}") {
            parse(&text, NOW);
        }

        #[test]
        fn what_is_written_is_read(at in 0i64..253_402_300_800) {
            let (year, month, day) = civil(at / 86_400);
            let name = MONTHS[month as usize - 1];
            let (hour, minute, second) = (at / 3_600 % 24, at / 60 % 60, at % 60);
            let text = format!("Mon, {day:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
            prop_assert_eq!(parse(&text, NOW), Some(at));
        }
    }
}
