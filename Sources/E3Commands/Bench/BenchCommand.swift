import CE3

/// The command `e3-bench`. Returns its exit status.
@c(e3_bench_main)
public func benchCommand(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
  do throws(Failure) {
    let options = try BenchOptions(count, arguments)
    switch options.task {
    case .help: TextStream.output.write(benchHelpText)
    case .version: TextStream.output.writeVersion()
    case .kernels: try KernelBench(options).run()
    case .firstFrame: try ModelBench.answerFirstFrame(options)
    case .model: try ModelBench(options).run()
    }
    let error = TextStream.output.flush()
    if error != 0 { throw .report(standardOutput: error) }
    return 0
  } catch {
    return error.exitStatus
  }
}

/// What `--help` prints.
private var benchHelpText: StaticString {
  """
  Measure the E3 runtime on this machine.

  usage: e3-bench MODEL.e3 [options]     latency, stages and cold start of a model
         e3-bench --kernels [options]    matrix products of common shapes against the core's measured peak

    --json            one JSON object
    --threads N       threads that compute, 1 to 64 (1), or auto: one for each usable processor
    --cpus A,B,...    bind thread i to the i-th CPU
    --isa NAME        kernels to use: scalar, avx2, avxvnni, avx512vnni, neon, dotprod, i8mm (the fastest)
    --tiles KIND      with --kernels, how the product is cut: single or pairs (of panels; what suits this CPU)
    --weights BITS    with --kernels, bits of the weights: 4 or 8 (8)
    --seconds N       time to spend on the repeats (5)
    --resident BYTES  keep so much of the model in memory, as 400M, and read the rest as e3-run does; shows for each block
                      what was read, how long it was waited for, and the share of what was needed that was in memory
    --first-frame     answer one frame and exit: what the cold start measures
    --help, --version

  A deep ensemble is measured with all of its networks, as e3-run answers without --early: with it, the time depends on
  what the frames show (e3-eval --early).

  Throughput and its share of the peak are those of the fastest repeat, and the peak is the best of many loops that only
  multiply, so that what else the machine does weighs on neither. Percentiles are over all repeats.

  """
}
