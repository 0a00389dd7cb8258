// NAME.h: what a host sees of an exported program.

import MartletIR

/// The public header as text.
struct HeaderText {
  let options: ExportOptions
  let programs: [ExportedProgram]
  let arrays: ExportedArrays

  private var name: String { options.name }
  private var upper: String { options.name.uppercased() }
  private var run: ExportedProgram? { programs.first { $0.role == .run } }
  private var train: ExportedProgram? { programs.first { $0.role == .train } }
  private var hasState: Bool { arrays.stateBytes > 0 }
  private var hasWeights: Bool { options.weights != .embed }

  /// Bytes behind the programs' own arena.
  var arenaBytes: Int {
    (programs.map { $0.program.lowered.schedule.arenaBytes }.max() ?? 0).rounded64
  }
  var scratchBytes: Int { (programs.map(\.emitted.scratchBytes).max() ?? 0).rounded64 }
  var workspaceBytes: Int { programs.map(\.workspace.part).max() ?? 0 }
  var sharedBytes: Int { programs.map(\.workspace.shared).max() ?? 0 }

  func text() -> String {
    var text = """
      /* \(name).h: \(SourceText.comment(options.summary))
       *
       * Written by martlet compile. Plain C11, no memory of its own, no global state: you give the memory, and every
       * function gets it through a context, so that as many models as you like run side by side. One context is for
       * one caller at a time.
       *

      """
    text += example()
    text += """
       */
      #ifndef \(upper)_H
      #define \(upper)_H

      #include <stddef.h>
      #include <stdint.h>

      #ifdef __cplusplus
      extern "C" {
      #endif

      /* Threads that a call may use, the caller included. Give the same -DMARTLET_THREADS=N for all files. */
      #ifndef MARTLET_THREADS
      #define MARTLET_THREADS 1
      #endif


      """
    text += sizes() + statuses() + context() + functions() + tables()
    text += """

      #ifdef __cplusplus
      }
      #endif

      #endif

      """
    return text
  }

  // MARK: - Parts

  private func example() -> String {
    var lines: [String] = []
    if hasState { lines.append("_Alignas(64) static char state[\(upper)_STATE_BYTES];") }
    lines.append("_Alignas(64) static char arena[\(upper)_ARENA_BYTES];")
    for program in programs.prefix(1) {
      for tensor in program.inputs + program.outputs where !tensor.isScalar {
        lines.append("\(tensor.type.dtype.cType) \(tensor.name)[\(macro(tensor, program))_COUNT];")
      }
    }
    lines.append("\(name)_context model;")
    lines.append(
      "if (\(name)_init(&model, \(initArguments().map(\.example).joined(separator: ", "))) != 0) …;"
    )
    if let run, train == nil {
      lines.append(
        "\(name)_run(&model, \((run.inputs + run.outputs).map(\.name).joined(separator: ", ")));")
    }
    if let train {
      let inputs = train.inputs.map { $0.isScalar ? "0.01f" : $0.name }
      let outputs = train.outputs.map { $0.type.shape.rank == 0 ? "&\($0.name)" : $0.name }
      lines.append("\(name)_train_step(&model, \((inputs + outputs).joined(separator: ", ")));")
    }
    return lines.map { " *     \($0)\n" }.joined()
  }

  private func sizes() -> String {
    var text = "/* What you give. Both blocks must begin at a multiple of 64. */\n"
    if hasState {
      text += """
        /* Parameters, the optimizer's state and the step's number; \(name)_save writes as much. */
        #define \(upper)_STATE_BYTES \(arrays.stateBytes)

        """
    } else {
      text += "/* The model has no state: nothing to save. */\n#define \(upper)_STATE_BYTES 0\n"
    }
    text += """
      /* Intermediate values and working memory; holds nothing between calls. */
      #define \(upper)_ARENA_BYTES (\(arenaBytes + sharedBytes + 64) + MARTLET_THREADS * \(scratchBytes + workspaceBytes))

      """
    if hasWeights {
      text += """
        /* The file \(name)_weights.bin\(options.weights == .mmap ? ", as you map it" : ", read into a block that begins at a multiple of 64"). */
        #define \(upper)_WEIGHTS_BYTES \(arrays.weightBytes)

        """
    }
    for program in programs {
      for tensor in program.inputs + program.outputs where !tensor.isScalar {
        text += "#define \(macro(tensor, program))_COUNT \(tensor.type.count) "
        text += "/* \(tensor.type.description) */\n"
      }
    }
    if let scaling = options.scaling {
      text += """
        /* The model was trained on (pixel / 255 - MEAN) / DEVIATION. */
        #define \(upper)_MEAN \(scaling.mean)f
        #define \(upper)_DEVIATION \(scaling.deviation)f

        """
    }
    if !options.classes.isEmpty {
      text += "#define \(upper)_CLASSES \(options.classes.count)\n"
      text += "extern const char *const \(name)_classes[\(upper)_CLASSES];\n"
    }
    return text + "\n"
  }

  /// `LENET5_IMAGES`, with `TRAIN` between where both programs have a tensor.
  private func macro(_ tensor: ExportedTensor, _ program: ExportedProgram) -> String {
    let middle = program.role == .train ? "_TRAIN" : ""
    return "\(upper)\(middle)_\(tensor.name.uppercased())"
  }

  private func statuses() -> String {
    """
    /* What every function returns. Whatever is not 0 has changed nothing. */
    typedef enum {
      \(upper)_OK = 0,
      \(upper)_ERROR_NULL = 1,      /* a pointer is NULL, or the context was not initialised */
      \(upper)_ERROR_SIZE = 2,      /* a block is smaller than its \(upper)_…_BYTES */
      \(upper)_ERROR_ALIGNMENT = 3, /* a block does not begin at a multiple of 64 */
      \(upper)_ERROR_FORMAT = 4,    /* a buffer does not hold what Martlet wrote, or not all of it */
      \(upper)_ERROR_VERSION = 5,   /* written by a later version */
      \(upper)_ERROR_MODEL = 6,     /* a buffer of another model */
      \(upper)_ERROR_CHECKSUM = 7,  /* a damaged buffer */
      \(upper)_ERROR_RANGE = 8,     /* a label or an index is outside of its range */
    } \(name)_status;

    /* A status in words. */
    const char *\(name)_message(int status);


    """
  }

  private func context() -> String {
    """
    /* The model's memory, as \(name)_init was given it. Yours to put anywhere; no need to look inside. */
    typedef struct {
      void *state;
      const void *weights;
      void *arena;
    } \(name)_context;


    """
  }

  struct Parameter {
    var declaration: String
    var example: String
  }

  func initArguments() -> [Parameter] {
    var list: [Parameter] = []
    if hasWeights {
      list.append(Parameter(declaration: "const void *weights", example: "weights"))
      list.append(Parameter(declaration: "size_t weights_bytes", example: "\(upper)_WEIGHTS_BYTES"))
    }
    if hasState {
      list.append(Parameter(declaration: "void *state", example: "state"))
      list.append(Parameter(declaration: "size_t state_bytes", example: "sizeof state"))
    }
    list.append(Parameter(declaration: "void *arena", example: "arena"))
    list.append(Parameter(declaration: "size_t arena_bytes", example: "sizeof arena"))
    return list
  }

  func signature(_ program: ExportedProgram) -> String {
    var parameters = ["\(name)_context *ctx"]
    for input in program.inputs {
      parameters.append(
        input.isScalar
          ? "\(input.type.dtype.cType) \(input.name)"
          : "const \(input.type.dtype.cType) *\(input.name)")
    }
    for output in program.outputs {
      parameters.append("\(output.type.dtype.cType) *\(output.name)")
    }
    let function = program.role == .run ? "run" : "train_step"
    return "int \(name)_\(function)(\(parameters.joined(separator: ", ")))"
  }

  var initSignature: String {
    let parameters = ["\(name)_context *ctx"] + initArguments().map(\.declaration)
    return "int \(name)_init(\(parameters.joined(separator: ", ")))"
  }

  private func functions() -> String {
    var text = "/* Takes the blocks" + (hasState ? " and sets the state to its first values" : "")
    text += ". They must stay where they are as long as the context is used.\n"
    if hasWeights {
      text += " * The weights are only read"
      text +=
        options.weights == .mmap
        ? "; their checksum is not, see \(name)_check_weights.\n"
        : "; their checksum is looked at.\n"
    }
    text += " */\n\(initSignature);\n\n"
    if options.weights == .mmap {
      text += """
        /* Reads all of the weights: \(upper)_ERROR_CHECKSUM if a byte of them is not what it was. */
        int \(name)_check_weights(const void *weights, size_t weights_bytes);


        """
    }
    if let run {
      text +=
        "/* From inputs to results" + (train == nil ? "" : ", with the parameters as they are now")
        + ".\n"
      text += describe(run) + " */\n\(signature(run));\n\n"
    }
    if let train {
      text +=
        "/* One training step: the loss of a batch, its gradients, and the optimizer's update of the state.\n"
      text += describe(train) + " */\n\(signature(train));\n\n"
    }
    if hasState {
      text += """
        /* Copies the state into a block of \(upper)_STATE_BYTES, with a header: format, model, checksum. Keep the block
         * in a file (martlet_file.h has a way that survives a kill) or anywhere else; it holds no pointers. */
        int \(name)_save(const \(name)_context *ctx, void *buffer, size_t bytes);

        /* Takes the state from such a block; the block may go afterwards. Unless the block is whole, and of this model,
         * the state stays as it was. */
        int \(name)_load(\(name)_context *ctx, const void *buffer, size_t bytes);

        /* Training steps so far. */
        uint64_t \(name)_steps(const \(name)_context *ctx);


        """
    }
    return text
  }

  private func describe(_ program: ExportedProgram) -> String {
    var text = ""
    for (verb, tensors) in [("in ", program.inputs), ("out", program.outputs)] {
      for tensor in tensors {
        text += " *   \(verb)  \(tensor.name)  \(tensor.type.description)"
        if let bound = tensor.bound { text += ", from 0 to \(bound - 1)" }
        text += "\n"
      }
    }
    return text
  }

  private func tables() -> String {
    """
    /* Inputs and results by name, for code that works with any model. */
    typedef struct {
      const char *name;
      const char *dtype; /* f32, f64, i32, … */
      int rank;
      size_t shape[8];
      size_t count; /* elements */
    } \(name)_tensor;

    \(programs.map { program in
      let prefix = program.role == .run ? name : "\(name)_train"
      let macro = program.role == .run ? upper : "\(upper)_TRAIN"
      return """
        #define \(macro)_INPUTS \(program.inputs.count)
        #define \(macro)_OUTPUTS \(program.outputs.count)
        extern const \(name)_tensor \(prefix)_inputs[\(max(1, program.inputs.count))], \(prefix)_outputs[\(max(1, program.outputs.count))];
        """
    }.joined(separator: "\n"))

    """
  }
}

extension Int {
  var rounded64: Int { (self + 63) / 64 * 64 }
}
