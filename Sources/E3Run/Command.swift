import E3Runtime

@c(e3_run_main)
public func runCommand(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 { 0 }
