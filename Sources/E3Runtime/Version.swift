import CE3

@c @implementation
public func e3_abi_version() -> UInt32 {
  UInt32(E3_ABI_VERSION_MAJOR) << 16 | UInt32(E3_ABI_VERSION_MINOR)
}
