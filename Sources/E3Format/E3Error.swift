import CE3

/// Why a call failed; equal to the C status code of the same name in `e3.h`.
///
/// The text of an error is `e3_status_text(error.rawValue)`.
public struct E3Error: Error, RawRepresentable, Equatable, Sendable {
  /// The `e3_status` value; never `E3_OK`.
  public let rawValue: e3_status

  @inlinable
  public init(rawValue: e3_status) { self.rawValue = rawValue }

  @inlinable
  init(_ code: Int) { self.rawValue = e3_status(truncatingIfNeeded: code) }

  // MARK: The caller's arguments

  /// `E3_ERROR_NULL_ARGUMENT`: a required pointer is null.
  public static var nullArgument: E3Error { E3Error(E3_ERROR_NULL_ARGUMENT) }
  /// `E3_ERROR_STRUCT_SIZE`: `struct_size` is smaller than the first version of the struct or above 4096, or a member
  /// that this version does not know is set.
  public static var structSize: E3Error { E3Error(E3_ERROR_STRUCT_SIZE) }
  /// `E3_ERROR_ARENA_TOO_SMALL`: fewer bytes than `e3_session_query` asks for.
  public static var arenaTooSmall: E3Error { E3Error(E3_ERROR_ARENA_TOO_SMALL) }
  /// `E3_ERROR_ARENA_ALIGNMENT`: the arena is not aligned as `e3_session_query` asks for.
  public static var arenaAlignment: E3Error { E3Error(E3_ERROR_ARENA_ALIGNMENT) }
  /// `E3_ERROR_THREAD_COUNT`: more threads than `E3_MAX_THREADS`.
  public static var threadCount: E3Error { E3Error(E3_ERROR_THREAD_COUNT) }
  /// `E3_ERROR_ISA_UNKNOWN`: no instruction-set tier has this number or name.
  public static var isaUnknown: E3Error { E3Error(E3_ERROR_ISA_UNKNOWN) }
  /// `E3_ERROR_ISA_UNAVAILABLE`: this CPU does not have the instruction-set tier.
  public static var isaUnavailable: E3Error { E3Error(E3_ERROR_ISA_UNAVAILABLE) }
  /// `E3_ERROR_INDEX_RANGE`: an index is not below its count.
  public static var indexRange: E3Error { E3Error(E3_ERROR_INDEX_RANGE) }
  /// `E3_ERROR_TENSOR_SIZE`: the tensor does not have height x width x channels values.
  public static var tensorSize: E3Error { E3Error(E3_ERROR_TENSOR_SIZE) }
  /// `E3_ERROR_TENSOR_NOT_FINITE`: the tensor holds a NaN or an infinity.
  public static var tensorNotFinite: E3Error { E3Error(E3_ERROR_TENSOR_NOT_FINITE) }
  /// `E3_ERROR_FRAME_FORMAT`: unknown pixel format.
  public static var frameFormat: E3Error { E3Error(E3_ERROR_FRAME_FORMAT) }
  /// `E3_ERROR_FRAME_SIZE`: width or height is zero, odd where it must be even, or too large.
  public static var frameSize: E3Error { E3Error(E3_ERROR_FRAME_SIZE) }
  /// `E3_ERROR_FRAME_STRIDE`: the stride is shorter than a line, or the data are shorter than the frame.
  public static var frameStride: E3Error { E3Error(E3_ERROR_FRAME_STRIDE) }
  /// `E3_ERROR_NOT_A_SESSION`: the pointer does not come from `e3_session_create`.
  public static var notASession: E3Error { E3Error(E3_ERROR_NOT_A_SESSION) }
  /// `E3_ERROR_NO_GOLDEN`: the model file carries no golden input.
  public static var noGolden: E3Error { E3Error(E3_ERROR_NO_GOLDEN) }
  /// `E3_ERROR_RESULT_NOT_FINITE`: the network gave a NaN or an infinity.
  public static var resultNotFinite: E3Error { E3Error(E3_ERROR_RESULT_NOT_FINITE) }
  /// `E3_ERROR_MODEL_TOO_LARGE`: the activations of the model do not fit this machine's address space.
  public static var modelTooLarge: E3Error { E3Error(E3_ERROR_MODEL_TOO_LARGE) }
  /// `E3_ERROR_NO_ROUTING`: the session does not record routing, or the model has no experts.
  public static var noRouting: E3Error { E3Error(E3_ERROR_NO_ROUTING) }
  /// `E3_ERROR_NO_CALIBRATION`: the model file carries no calibration.
  public static var noCalibration: E3Error { E3Error(E3_ERROR_NO_CALIBRATION) }
  /// `E3_ERROR_NOT_A_MODEL`: the handle was not filled by `e3_model_open`, or was written over.
  public static var notAModel: E3Error { E3Error(E3_ERROR_NOT_A_MODEL) }
  /// `E3_ERROR_SESSION_BUSY`: another call of this session is in progress.
  public static var sessionBusy: E3Error { E3Error(E3_ERROR_SESSION_BUSY) }
  /// `E3_ERROR_DEADLINE`: the deadline passed before the answer was there.
  public static var deadline: E3Error { E3Error(E3_ERROR_DEADLINE) }
  /// `E3_ERROR_FRAME_COLOR`: unknown range or matrix.
  public static var frameColor: E3Error { E3Error(E3_ERROR_FRAME_COLOR) }
  /// `E3_ERROR_FRAME_CROP`: the rectangle is empty or leaves the frame.
  public static var frameCrop: E3Error { E3Error(E3_ERROR_FRAME_CROP) }
  /// `E3_ERROR_FRAME_TRANSFORM`: unknown transform, or `reserved` of the frame is not 0.
  public static var frameTransform: E3Error { E3Error(E3_ERROR_FRAME_TRANSFORM) }

  /// `E3_ERROR_NO_FEATURES`: the session's last run kept no features for these learned classes.
  public static var noFeatures: E3Error { E3Error(E3_ERROR_NO_FEATURES) }
  /// `E3_ERROR_CLASSES_FULL`: there is no room for one more learned class, or for one more picture of it.
  public static var classesFull: E3Error { E3Error(E3_ERROR_CLASSES_FULL) }
  /// `E3_ERROR_CLASS_LABEL`: the label is empty, too long, not one line of UTF-8, or another class has it.
  public static var classLabel: E3Error { E3Error(E3_ERROR_CLASS_LABEL) }
  /// `E3_ERROR_NOT_CLASSES`: the bytes hold no learned classes, or were written over.
  public static var notClasses: E3Error { E3Error(E3_ERROR_NOT_CLASSES) }
  /// `E3_ERROR_CLASSES_MODEL`: the classes were learned with another model, or another calibration of it.
  public static var classesModel: E3Error { E3Error(E3_ERROR_CLASSES_MODEL) }
  /// `E3_ERROR_CLASS_GRID`: the model's calibration does not say how classes are learned.
  public static var classGrid: E3Error { E3Error(E3_ERROR_CLASS_GRID) }

  // MARK: The model file

  /// `E3_ERROR_FILE_ALIGNMENT`: the mapping does not start at a multiple of 64 bytes.
  public static var fileAlignment: E3Error { E3Error(E3_ERROR_FILE_ALIGNMENT) }
  /// `E3_ERROR_FILE_TRUNCATED`: the file is shorter than its header says.
  public static var fileTruncated: E3Error { E3Error(E3_ERROR_FILE_TRUNCATED) }
  /// `E3_ERROR_FILE_MAGIC`: not an E3 model file.
  public static var fileMagic: E3Error { E3Error(E3_ERROR_FILE_MAGIC) }
  /// `E3_ERROR_FILE_VERSION`: written in a version of the format that this library does not read.
  public static var fileVersion: E3Error { E3Error(E3_ERROR_FILE_VERSION) }
  /// `E3_ERROR_FILE_HEADER`: the header contradicts itself, or its checksum is wrong.
  public static var fileHeader: E3Error { E3Error(E3_ERROR_FILE_HEADER) }
  /// `E3_ERROR_FILE_CONFIG`: the model configuration is out of range or contradicts itself.
  public static var fileConfig: E3Error { E3Error(E3_ERROR_FILE_CONFIG) }
  /// `E3_ERROR_FILE_TABLE`: the extent table does not list exactly what the configuration needs.
  public static var fileTable: E3Error { E3Error(E3_ERROR_FILE_TABLE) }
  /// `E3_ERROR_FILE_ENCODING`: a tensor encoding that this library does not know.
  public static var fileEncoding: E3Error { E3Error(E3_ERROR_FILE_ENCODING) }
  /// `E3_ERROR_FILE_EXTENT`: an extent is misaligned, overlaps another or leaves the file.
  public static var fileExtent: E3Error { E3Error(E3_ERROR_FILE_EXTENT) }
  /// `E3_ERROR_FILE_VALUES`: a stored number is not finite or not in its range.
  public static var fileValues: E3Error { E3Error(E3_ERROR_FILE_VALUES) }
  /// `E3_ERROR_FILE_CHECKSUM`: an extent's checksum is wrong.
  public static var fileChecksum: E3Error { E3Error(E3_ERROR_FILE_CHECKSUM) }
  /// `E3_ERROR_FILE_LABELS`: the label table is malformed.
  public static var fileLabels: E3Error { E3Error(E3_ERROR_FILE_LABELS) }
  /// `E3_ERROR_GOLDEN_MISMATCH`: the golden input did not give the stored bits.
  public static var goldenMismatch: E3Error { E3Error(E3_ERROR_GOLDEN_MISMATCH) }
  /// `E3_ERROR_FILE_CALIBRATION`: the calibration was fitted with another model.
  public static var fileCalibration: E3Error { E3Error(E3_ERROR_FILE_CALIBRATION) }
  /// `E3_ERROR_FILE_NUMERICS`: the file was packed for another generation of arithmetic.
  public static var fileNumerics: E3Error { E3Error(E3_ERROR_FILE_NUMERICS) }
  /// `E3_ERROR_FILE_CHANGED`: the bytes are no longer those that `e3_model_open` saw.
  public static var fileChanged: E3Error { E3Error(E3_ERROR_FILE_CHANGED) }

  // MARK: The system

  /// `E3_ERROR_THREAD_START`: a worker thread could not be started.
  public static var threadStart: E3Error { E3Error(E3_ERROR_THREAD_START) }
  /// `E3_ERROR_THREAD_AFFINITY`: a worker thread could not be bound to its CPU.
  public static var threadAffinity: E3Error { E3Error(E3_ERROR_THREAD_AFFINITY) }
  /// `E3_ERROR_FORKED`: the session's workers are in the process that this one was forked from.
  public static var forked: E3Error { E3Error(E3_ERROR_FORKED) }
  /// `E3_ERROR_FILE_READ`: a part of the model could not be read.
  public static var fileRead: E3Error { E3Error(E3_ERROR_FILE_READ) }
  /// `E3_ERROR_MEMORY_LOCK`: the system does not lock so much memory for this process.
  public static var memoryLock: E3Error { E3Error(E3_ERROR_MEMORY_LOCK) }

  // MARK: Further arguments of the caller's

  /// `E3_ERROR_RESIDENT_BYTES`: fewer resident bytes than what every frame reads.
  public static var residentBytes: E3Error { E3Error(E3_ERROR_RESIDENT_BYTES) }
  /// `E3_ERROR_NOT_RESIDENT`: the session has no resident bytes, or the model has no experts.
  public static var notResident: E3Error { E3Error(E3_ERROR_NOT_RESIDENT) }
  /// `E3_ERROR_NO_EARLY_STOPS`: the model file does not say when an answer may stop.
  public static var noEarlyStops: E3Error { E3Error(E3_ERROR_NO_EARLY_STOPS) }
}
