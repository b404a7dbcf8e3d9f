//! Engine errors as plain data for JavaScript, which builds the `Error` itself (`lib/errors.js`), so that
//! its stack is the caller's.

use napi::{Env, Result, bindgen_prelude::Object};

use crate::error::{Class, Detail, Error};

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::TypeError => "TypeError",
            Self::RangeError => "RangeError",
        }
    }
}

/// `{ class, message, details: { errno, code, … } }`
pub(super) fn describe<'env>(env: &'env Env, error: &Error) -> Result<Object<'env>> {
    let mut details = Object::new(env)?;
    for (name, detail) in error.details() {
        match detail {
            Detail::Text(text) => details.set(name, text)?,
            Detail::Number(number) => details.set(name, number)?,
            Detail::Map(entries) => {
                let mut map = Object::new(env)?;
                for (key, value) in entries {
                    map.set(key, value)?;
                }
                details.set(name, map)?;
            }
        };
    }
    let mut description = Object::new(env)?;
    description.set("class", error.class().name())?;
    description.set("message", error.to_string())?;
    description.set("details", details)?;
    Ok(description)
}
