import E3TestSupport
import Foundation
import Testing

@Suite("e3-run: frames as they come")
struct LiveTests {
  let folder: TemporaryFolder
  let model: String
  private let options = ["--pixel-format", "gray8", "--size", "12x10"]

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  private func frames(_ count: Int) -> [UInt8] { (0..<count * 120).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) } }

  @Test("a frame of a stream has one line of text, with the parts of its latency")
  func lines() throws {
    let outcome = try run([model, "-"] + options, input: frames(3))
    #expect(outcome.status == 0)
    #expect(outcome.lines.count == 3)
    let time = "[0-9]+\\.[0-9] ms"
    let line = try Regex(
      "- [0-2]: (accept|unsure), (cat|Čeština|2) [0-9.]+ %, uncertainty [0-9.]+ nats, "
        + "\(time): capture \(time), preprocess \(time), inference \(time)")
    for text in outcome.lines { #expect(text.wholeMatch(of: line) != nil, "\(text)") }
    let ranked = try run([model, "-", "--top", "3"] + options, input: frames(1))
    #expect(ranked.output.filter { $0 == "%" }.count == 3)
  }

  @Test("on a terminal each line takes the place of the one before it, and errors stand on lines of their own")
  func terminal() throws {
    let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var (isLocked, number): (Int32, Int32) = (0, 0)
    let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)  // TIOCSPTLCK, TIOCGPTN
    #expect(ioctl(terminal, setLock, &isLocked) == 0 && ioctl(terminal, getNumber, &number) == 0)
    let screen = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
    let input = try Scratch(Array(frames(3).dropLast()))
    let status = try command.spawn(
      [model, "-"] + options, environment: ["TERM": "xterm"], descriptors: [input.descriptor, screen, screen])
    #expect(status == 1)
    close(screen)
    var (shown, part): ([UInt8], [UInt8]) = ([], Array(repeating: 0, count: 4096))
    // The kernel hands the text on in pieces; with the other end closed, the end is an error.
    while case let count = read(terminal, &part, part.count), count > 0 { shown += part.prefix(count) }
    close(terminal)
    let updates = String(decoding: shown, as: UTF8.self).components(separatedBy: "\r\u{1B}[K\u{1B}[?7l")
    try #require(updates.count == 3)
    #expect(updates[1].hasPrefix("- 0: ") && updates[1].hasSuffix(" ms\u{1B}[?7h"))
    #expect(updates[2].hasSuffix(" ms\u{1B}[?7h\r\ne3-run: -: the stream ends inside frame 2 (119 of 120 bytes)\r\n"))
  }

  @Test("--fps keeps frames apart")
  func pace() throws {
    let start = DispatchTime.now()
    #expect(try run([model, "-", "--fps", "40.0", "--json"] + options, input: frames(5)).lines.count == 5)
    #expect(DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds >= 100_000_000)
  }

  @Test("--fps does not wait at the end of a file, nor of a pipe that is closed")
  func paceAtTheEnd() throws {
    let file = try folder.write(frames(1), to: "one")
    let closed = folder["closed"]
    #expect(mkfifo(closed, 0o600) == 0)
    let writer = open(closed, O_RDWR | O_CLOEXEC)
    #expect(write(writer, frames(1), frames(1).count) == frames(1).count)
    let reader = open(closed, O_RDONLY | O_CLOEXEC)
    close(writer)
    for (operand, input) in [(file, 0), ("-", reader)] {
      let (output, errors) = (try Scratch(), try Scratch())
      let process = try command.start(
        [model, operand, "--fps", "0.001", "--json"] + options,
        descriptors: [input, output.descriptor, errors.descriptor])
      #expect(wait(for: process) == 0 && errors.text.isEmpty && output.text.hasSuffix("}\n"))
    }
    close(reader)
  }

  @Test(
    "SIGINT and SIGTERM end a run that waits for a pipe, or for its pace, with success", arguments: [SIGINT, SIGTERM])
  func signals(number: Int32) throws {
    for extra in [[], ["--fps", "0.001"]] {
      let path = folder["pipe\(number)\(extra.count)"]
      #expect(mkfifo(path, 0o600) == 0)
      let pipe = open(path, O_RDWR | O_CLOEXEC)
      let (output, errors) = (try Scratch(), try Scratch())
      let frames = frames(2).dropLast(extra.isEmpty ? 7 : 0)
      #expect(write(pipe, Array(frames), frames.count) == frames.count)
      let process = try command.start(
        [model, "-", "--json"] + options + extra, descriptors: [pipe, output.descriptor, errors.descriptor])
      // The offset is the command's as well: only the size may be looked at. A whole answer is written at once.
      var status = stat()
      while fstat(output.descriptor, &status) == 0, status.st_size == 0 { usleep(1000) }
      kill(process, number)
      #expect(wait(for: process) == 0)
      close(pipe)
      #expect(output.text.filter { $0 == "\n" }.count == 1)
      #expect(errors.text.isEmpty)
    }
  }

  @Test("a stop ends a run whose output nobody reads with success, and says so")
  func unread() throws {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    for end in ends { #expect(fcntl(end, F_SETFD, FD_CLOEXEC) == 0) }
    defer { ends.forEach { close($0) } }
    let (input, errors) = (open("/dev/zero", O_RDONLY | O_CLOEXEC), try Scratch())
    defer { close(input) }
    let process = try command.start(
      [model, "-", "--json"] + options, descriptors: [input, ends[1], errors.descriptor])
    // It waits once the pipe is full; a signal before that would be taken before the last line is written.
    var full = pollfd(fd: ends[1], events: Int16(POLLOUT), revents: 0)
    while poll(&full, 1, 0) == 1 { usleep(10_000) }
    // Between two lines it computes, or waits for a processor.
    var idle = 0
    while idle < 20 {
      idle = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8).contains(") S ") ? idle + 1 : 0
      usleep(10_000)
    }
    kill(process, SIGTERM)
    #expect(wait(for: process) == 0)
    let said = "stopped while nobody read standard output: its last line may be cut\n"
    #expect(errors.text.hasSuffix(said), "\(errors.text)")
  }

  @Test("a stop ends the wait for a named pipe that nobody writes to; what a later writer sends is answered")
  func namedPipe() throws {
    let path = folder["frames"]
    #expect(mkfifo(path, 0o600) == 0)
    let (input, output, errors) = (try Scratch(), try Scratch(), try Scratch())
    let descriptors = [input.descriptor, output.descriptor, errors.descriptor]
    let stopped = try command.start([model, path, "--json"] + options, descriptors: descriptors)
    // Signals are caught before the pipe is opened.
    let opened = "/proc/\(stopped)/fd"
    while try !FileManager.default.contentsOfDirectory(atPath: opened).contains(where: {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(opened)/\($0)")) == path
    }) { usleep(1000) }
    kill(stopped, SIGTERM)
    #expect(wait(for: stopped) == 0 && output.text.isEmpty && errors.text.isEmpty)

    let answering = try command.start([model, path, "--json"] + options, descriptors: descriptors)
    let writer = open(path, O_WRONLY | O_CLOEXEC)
    let frames = frames(2)
    #expect(write(writer, frames, frames.count) == frames.count)
    close(writer)
    #expect(wait(for: answering) == 0)
    #expect(output.text.filter { $0 == "\n" }.count == 2)
  }
}
