"""The protocols, as pure state machines: no sockets, no files of data, no clock of their own."""
