import CE3

/// Version of the library that these tools are built with, as `--version` prints it and as files record it.
public let libraryVersion = e3_version_text().map { String(cString: $0) } ?? ""
