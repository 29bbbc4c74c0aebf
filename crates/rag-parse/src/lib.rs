//! Files in, structured text with places out.
