import E3Reference

/// Keeps all values of a forward pass.
final class Recorder: ForwardObserver {
  var values: [Intermediate: Matrix] = [:]
  var routing: [Int: Routing] = [:]

  func observe(_ name: Intermediate, _ values: Matrix) { self.values[name] = values }
  func observe(_ routing: Routing, block: Int) { self.routing[block] = routing }
}
