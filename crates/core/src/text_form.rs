//! Types that are written and read back as text.

/// For serde's `try_from = "String", into = "String"`: the type is parsed from
/// its text and written as it is displayed, so that one grammar serves every
/// reader.
macro_rules! text_form {
    ($type:ident, $error:ident) => {
        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}
