//! The catalogue's plugins that look after files and the machine.

mod documentation;
mod temp_files;
