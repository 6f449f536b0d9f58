import ArgumentParser
import E3Host
import E3Models

struct SignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign",
    abstract: "Sign a model file, for e3-run --trust.",
    discussion: """
      The file is verified first. The signature is minisign's (Ed25519 of the file's BLAKE2b hash) and goes to \
      MODEL.e3.minisig; the same file and key give the same signature. Make a key with "minisign -G -W -p KEY.pub -s KEY"; for \
      one with a password, sign with "minisign -S -s KEY -m MODEL.e3".
      """)

  @Argument(help: "Model file.", completion: .file(extensions: ["e3"]))
  var model: String

  @Option(help: ArgumentHelp("Secret key of minisign's, without a password.", valueName: "key"), completion: .file())
  var key: String

  func run() throws {
    let meter = ProgressMeter("verifying \(model)")
    try sign(model: model, key: key, progress: meter.update)
    print("\(inOneLine(model)).minisig: signed")
  }
}
