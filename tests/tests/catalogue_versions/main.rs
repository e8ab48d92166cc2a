//! The PostgreSQL plugins on every major version that there is: what a version renamed or brought is used where it is,
//! and not missed where it is not.

mod servers;
