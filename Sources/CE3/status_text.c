/*
 * status_text.c - what a status says, as a line. In C, where a table of texts takes no relocations.
 */
#include "e3.h"

const char *e3_status_text(e3_status status) {
  switch (status) {
    case E3_OK: return "no error";
    case E3_ERROR_NULL_ARGUMENT: return "a required pointer is null";
    case E3_ERROR_STRUCT_SIZE: return "struct_size is not set or too small, or an unknown member is set";
    case E3_ERROR_ARENA_TOO_SMALL: return "the memory is smaller than e3_session_query or e3_classes_query asks for";
    case E3_ERROR_ARENA_ALIGNMENT: return "the arena is not aligned as e3_session_query asks for";
    case E3_ERROR_THREAD_COUNT: return "more threads than the library supports (64)";
    case E3_ERROR_ISA_UNKNOWN: return "no such instruction-set tier";
    case E3_ERROR_ISA_UNAVAILABLE: return "this CPU or this build does not have the instruction-set tier";
    case E3_ERROR_INDEX_RANGE: return "the index is out of range";
    case E3_ERROR_TENSOR_SIZE: return "the tensor does not have the model's height x width x channels values";
    case E3_ERROR_TENSOR_NOT_FINITE: return "the tensor holds a NaN or an infinity";
    case E3_ERROR_FRAME_FORMAT: return "unknown pixel format";
    case E3_ERROR_FRAME_SIZE:
      return "the frame's width or height is zero, odd where the format needs even, or above 16384";
    case E3_ERROR_FRAME_STRIDE:
      return "the frame's stride is shorter than a line, or its data are shorter than the frame";
    case E3_ERROR_NOT_A_SESSION: return "the pointer is not a session";
    case E3_ERROR_NO_GOLDEN: return "the model file carries no golden input";
    case E3_ERROR_RESULT_NOT_FINITE:
      return "the network gave a NaN or an infinity; the weights or the tensor are unusable";
    case E3_ERROR_MODEL_TOO_LARGE: return "the model's activations do not fit this machine's address space";
    case E3_ERROR_NO_ROUTING: return "the session does not record routing, or the model has no experts";
    case E3_ERROR_NO_CALIBRATION: return "the model file carries no calibration; e3-convert calibrate adds one";
    case E3_ERROR_NOT_A_MODEL: return "the handle does not hold a model, or was written over";
    case E3_ERROR_SESSION_BUSY: return "another call of the session is in progress";
    case E3_ERROR_DEADLINE: return "the deadline passed before the answer was there";
    case E3_ERROR_FRAME_COLOR: return "unknown colour range or matrix of the frame";
    case E3_ERROR_FRAME_CROP: return "the rectangle is empty or leaves the frame";
    case E3_ERROR_FRAME_TRANSFORM: return "unknown transform of the frame";
    case E3_ERROR_NO_FEATURES: return "the session's last run kept no features for these learned classes";
    case E3_ERROR_CLASSES_FULL: return "there is no room for one more learned class, or for one more picture of it";
    case E3_ERROR_CLASS_LABEL:
      return "the label of a learned class is empty, longer than 40 bytes, blank, not one line, or another class's";
    case E3_ERROR_NOT_CLASSES: return "not learned classes (.e3c)";
    case E3_ERROR_CLASSES_MODEL: return "the classes were learned with another model, or another calibration of it";
    case E3_ERROR_CLASS_GRID:
      return "the calibration does not say how classes are learned: calibrate anew; a file of several networks learns "
             "none";
    case E3_ERROR_FILE_ALIGNMENT: return "the model's bytes do not start at a multiple of 64";
    case E3_ERROR_FILE_TRUNCATED: return "the file is truncated: it is shorter than its header says";
    case E3_ERROR_FILE_MAGIC: return "not an E3 model file";
    case E3_ERROR_FILE_VERSION:
      return "written in a version of the format that this library does not read: pack the model, or learn the "
             "classes, anew";
    case E3_ERROR_FILE_HEADER: return "the file's header is corrupt";
    case E3_ERROR_FILE_CONFIG: return "the model configuration is out of range or contradicts itself";
    case E3_ERROR_FILE_TABLE: return "the table does not list the tensors that the configuration needs";
    case E3_ERROR_FILE_ENCODING: return "a tensor has an encoding that this version does not know";
    case E3_ERROR_FILE_EXTENT: return "a tensor is misaligned, overlaps another or leaves the file";
    case E3_ERROR_FILE_VALUES: return "a stored number is not finite or not in its range";
    case E3_ERROR_FILE_CHECKSUM: return "a checksum is wrong: the file is damaged";
    case E3_ERROR_FILE_LABELS: return "the label table is malformed";
    case E3_ERROR_GOLDEN_MISMATCH: return "the golden input did not give the stored answer";
    case E3_ERROR_FILE_CALIBRATION: return "the calibration was fitted with another model";
    case E3_ERROR_FILE_NUMERICS:
      return "packed for another generation of arithmetic than this library computes: pack the model anew (e3-convert "
             "pack)";
    case E3_ERROR_FILE_CHANGED: return "the model's bytes have changed since it was opened";
    case E3_ERROR_THREAD_START:
      return "a worker thread could not be started, or thread-local variables leave it too little stack";
    case E3_ERROR_THREAD_AFFINITY: return "a thread could not be bound to its CPU; e3_cpu_available says to which one";
    case E3_ERROR_FORKED: return "the session's workers are in the process that this one was forked from";
    case E3_ERROR_FILE_READ:
      return "a part of the model could not be read: the medium is damaged, or the file got shorter";
    case E3_ERROR_MEMORY_LOCK: return "the system does not lock so much memory for this process (ulimit -l)";
    case E3_ERROR_RESIDENT_BYTES:
      return "fewer resident bytes than what every frame reads: the model without its experts";
    case E3_ERROR_NOT_RESIDENT: return "the session has no resident bytes, or the model has no experts";
    case E3_ERROR_NO_EARLY_STOPS: return "the model file has no early stops (e3-convert calibrate --early)";
    default: return "unknown status";
  }
}
