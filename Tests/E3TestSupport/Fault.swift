/// The fault that `body` throws, as a command prints it; nil when it throws none.
package func fault(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch {
    return "\(error)"
  }
}
