//! `config!`: how the configuration types of this crate are declared.
//!
//! A configuration must be able to gain a field without breaking the code that builds one. So each of them is
//! `#[non_exhaustive]`, is built with `new()` and one setter per field, and keeps its fields public for
//! reading:
//!
//! ```
//! use mainstay_resilience::breaker;
//!
//! let config = breaker::Config::new().failure_percent(25).calls_min(50);
//! assert_eq!(config.failure_percent, Some(25));
//! ```

/// Declares a configuration: the struct, its default values, `new()`, and a setter for each field with the
/// field's documentation.
///
/// Each field states its default. The setter of an `Option<T>` takes a `T`, or `None` to switch the rule off.
macro_rules! config {
    ($(#[$attribute:meta])* pub struct $name:ident {
        $(
            $(#[doc = $doc:expr])+
            $(#[cfg_attr($($condition:tt)*)])?
            pub $field:ident: $type:ident $(::$path:ident)* $(<$inner:ty>)? = $default:expr,
        )+
    }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                $(#[cfg_attr($($condition)*)])?
                pub $field: $type $(::$path)* $(<$inner>)?,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            /// The default configuration, to be changed with the setters.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $($crate::config::config! { @setter [$(#[doc = $doc])+] $field: [$type $(::$path)*] $($inner)? })+
        }
    };
    (@setter [$($doc:tt)+] $field:ident: [$type:ty]) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").\n\n")]
        $($doc)+
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    };
    (@setter [$($doc:tt)+] $field:ident: [$option:ty] $inner:ty) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").\n\n")]
        $($doc)+
        #[must_use]
        pub fn $field(mut self, $field: impl Into<Option<$inner>>) -> Self {
            self.$field = $field.into();
            self
        }
    };
}

pub(crate) use config;
