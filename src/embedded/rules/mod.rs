//! What a server decides about an object beside its types: names, what is required, what can't change, what it fills in.

mod certificates;
mod metadata;
pub mod names;
mod strategy;
mod validate;
mod x509;

pub use certificates::{bytes, is_request, request_errors};
pub use metadata::{labels, validate_metadata, validate_metadata_update};
pub use names::{config_key, dns_label, dns_subdomain, label_key, label_value, path_segment, port_name, qualified_name};
pub use strategy::{allows_create_on_update, allows_unconditional_update, as_decoded, decodable, prepare_create, prepare_update};
pub use validate::{validate, validate_update, warnings};
pub use x509::organizations;
