//! The catalogue's plugins that look after files and the machine.

mod temp_files;
