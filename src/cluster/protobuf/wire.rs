//! Protobuf as it is on the wire: a message is its fields, one after the other, each a number and a value. What they mean is
//! for who reads them.

/// A field's value, as it is on the wire.
#[derive(Clone, Copy, Debug)]
pub enum Wire<'b> {
    /// A whole number, or a truth.
    Number(u64),
    /// A text, bytes, or a message.
    Bytes(&'b [u8]),
}

/// The fields of a message, by number; None where it is no message.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    /// Those of a message.
    pub fn of(message: &'b [u8]) -> Self {
        Self(message)
    }

    /// How many bytes weren't read yet.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for (place, byte) in self.0.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = self.0.get(place + 1..)?;
                return Some(number);
            }
        }
        None
    }
}

#[allow(clippy::copy_iterator, reason = "a few words: who copies one means to begin again there")]
impl<'b> Iterator for Fields<'b> {
    type Item = Option<(usize, Wire<'b>)>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| {
            let tag = self.varint()?;
            let value = match tag & 7 {
                0 => Wire::Number(self.varint()?),
                2 => {
                    let length = usize::try_from(self.varint()?).ok()?;
                    let (value, rest) = self.0.split_at_checked(length)?;
                    self.0 = rest;
                    Wire::Bytes(value)
                }
                // Kubernetes has no others.
                _ => return None,
            };
            Some((usize::try_from(tag >> 3).ok()?, value))
        })
    }
}
