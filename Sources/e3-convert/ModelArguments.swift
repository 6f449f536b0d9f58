import ArgumentParser
import E3Checkpoint
import E3Converter
import E3DataSets
import E3Host
import E3Models

/// The arguments that say which tensors of a checkpoint are read.
struct TensorReading: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Leave out tensors of such names, with * for any text; may be given several times.", valueName: "pattern"))
  var ignore: [String] = []

  @Option(
    help: ArgumentHelp(
      "Most bytes that say which tensors a file has: the table of a safetensors file, the pickle of a PyTorch file.",
      valueName: "bytes"))
  var maxHeader: Int = Checkpoint.headerLimit

  /// One checkpoint, which is read so.
  func source(_ checkpoint: String, config: String?) -> CheckpointSource {
    CheckpointSource(checkpoint: checkpoint, config: config, ignoring: ignore, headerLimit: maxHeader)
  }

  func validate() throws {
    guard maxHeader > 0 else { throw ValidationError("--max-header is \(maxHeader), expected 1 or more bytes") }
  }
}

/// The arguments that say which model a checkpoint is read as: shared by the commands that do.
struct ModelReading: ParsableArguments {
  @OptionGroup var tensors: TensorReading

  @Option(help: ArgumentHelp("Image size; position embeddings are resized to it.", valueName: "HxW"))
  var imageSize: ImageSides?

  @Option(help: ArgumentHelp("View a V-MoE checkpoint as an ensemble of M members.", valueName: "M"))
  var ensembleSize: Int?

  @Option(
    help: ArgumentHelp(
      """
      Slots of the experts: none (nothing is dropped), reference (the configuration's capacity, one image per group) or \
      config (in groups of the configuration's group_size). Without it, pack takes none, reference takes reference.
      """))
  var capacity: ModelOptions.CapacityMode?

  /// What is asked for beyond checkpoint and configuration.
  ///
  /// - Parameter capacity: where the command line says nothing.
  func options(capacity defaultCapacity: ModelOptions.CapacityMode) -> ModelOptions {
    ModelOptions(
      imageSize: imageSize.map { (height: $0.height, width: $0.width) }, ensembleSize: ensembleSize,
      capacity: capacity ?? defaultCapacity)
  }
}

/// Checkpoints with their configurations.
///
/// - Throws: another number of configurations than none, one, or one for each.
func checkpointSources(_ checkpoints: [String], configs: [String], _ tensors: TensorReading) throws
  -> [CheckpointSource]
{
  guard
    let sources = CheckpointSource.all(
      checkpoints, configs: configs, ignoring: tensors.ignore, headerLimit: tensors.maxHeader)
  else {
    throw ValidationError(
      "--config is given \(configs.count) times, expected once or once for each of "
        + counted(checkpoints.count, "checkpoint")
    )
  }
  return sources
}

extension ModelOptions.CapacityMode: ExpressibleByArgument {}

/// `HxW` in pixels, or one number for a square.
struct ImageSides: ExpressibleByArgument {
  let height, width: Int

  init?(argument: String) {
    let sides = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sides.count <= 2, let first = sides.first, let height = first, let last = sides.last, let width = last,
      height > 0, width > 0
    else { return nil }
    (self.height, self.width) = (height, width)
  }
}

/// Says on stderr where folders called by numbers may be classes in another order.
func printFolderNote(on data: DataSet, model path: String) throws {
  guard data.classNames != nil else { return }
  if let line = try data.numberRemark(modelLabels: MappedModel(path: path).labels) { printNote(line) }
}

/// Says on stderr what is odd about arrays of prepared values for the model of a file.
func printValueNote(on sets: [DataSet], model path: String) throws {
  guard sets.contains(where: \.holdsValues) else { return }
  let bounds = try MappedModel(path: path).file.shape.valueBounds
  if let line = valueRemark(on: sets, bounds: bounds, model: path) { printNote(line) }
}
