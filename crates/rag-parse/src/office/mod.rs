//! Documents of word processors and presentations: Office Open XML, OpenDocument, RTF.

pub(crate) mod docx;
mod docx_numbering;
mod docx_styles;
mod drawing;
mod math;
pub(crate) mod odf;
pub(crate) mod pptx;
mod properties;
mod relations;
pub(crate) mod rtf;
#[cfg(test)]
mod tests;
mod xml;
