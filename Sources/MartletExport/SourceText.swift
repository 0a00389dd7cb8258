// NAME.c: kernels, schedules and the functions that the header declares.

import MartletCodegen
import MartletIR
import MartletLoops

/// The exported program's own source as text.
struct SourceText {
  let options: ExportOptions
  let programs: [ExportedProgram]
  let arrays: ExportedArrays
  let header: HeaderText

  private var name: String { options.name }
  private var upper: String { options.name.uppercased() }
  private var hasState: Bool { arrays.stateBytes > 0 }
  private var isEmbedded: Bool { options.weights == .embed }

  /// Kernels and schedules, without what stands around them.
  func body() -> String {
    var text = ""
    for program in programs {
      if programs.count > 1 {
        text += program.role == .run ? "/* MARK: inference */\n\n" : "/* MARK: training */\n\n"
      }
      // The emitter's own first lines declare what martlet_runtime.h declares.
      var source = program.emitted.source[...]
      if let range = source.firstRange(of: "struct mt_context;\n") {
        source = source[range.upperBound...]
      }
      text += source.drop { $0 == "\n" } + "\n"
    }
    return text
  }

  func text() -> String {
    var text = """
      /* \(name).c: \(SourceText.comment(options.summary))
       *
       * Written by martlet compile: one function for each kernel, then the schedules that call them in order, then the
       * functions of \(name).h. The kernels are yours, like the model that they were made from; what they call is in
       * martlet_runtime.h. gcc needs -ffp-contract=off for results that are those of other compilers, to the bit. */
      #include "\(name).h"
      #include "martlet_runtime.h"

      #include <string.h>


      """
    text += body() + variants()
    text += "#if !defined(MARTLET_VARIANT)\n" + weightDeclarations() + choice() + blocks()
    if hasState || !isEmbedded { text += checks() }
    text += initialisation()
    for program in programs { text += call(program) }
    if hasState { text += saving() }
    return text + tables() + "#endif\n"
  }

  // MARK: - Instruction sets

  /// What `-DMARTLET_DISPATCH` has of this file for each instruction set: its schedules.
  private func variants() -> String {
    var text = "#if defined(MARTLET_VARIANT)\n"
    for program in programs {
      let own = "MT_OWN(\(program.emitted.entry))"
      text += "void \(own)(mt_context *cx, void *const *io, char *arena);\n"
      text += "void \(own)(mt_context *cx, void *const *io, char *arena) {\n"
      text += "  \(program.emitted.entry)(cx, io, arena);\n}\n"
    }
    return text + "#endif\n\n"
  }

  /// The choice among them.
  private func choice() -> String {
    var text = """
      #if defined(MARTLET_DISPATCH) && defined(__x86_64__)
      /* Of this CPU and its operating system, which the compiler's library asks once. */
      #ifndef MARTLET_CPU_HAS
      #define MARTLET_CPU_HAS(feature) __builtin_cpu_supports(feature)
      #endif
      static int has_avx2(void) {
        return MARTLET_CPU_HAS("avx2") && MARTLET_CPU_HAS("fma") && MARTLET_CPU_HAS("bmi2");
      }
      static int has_avx512(void) {
        return has_avx2() && MARTLET_CPU_HAS("avx512f") && MARTLET_CPU_HAS("avx512dq") &&
               MARTLET_CPU_HAS("avx512bw") && MARTLET_CPU_HAS("avx512vl");
      }

      """
    for program in programs {
      let entry = program.emitted.entry
      for isa in ["avx2", "avx512"] {
        text += "void \(entry)_\(name)_\(isa)(mt_context *cx, void *const *io, char *arena);\n"
      }
      text += """
        static void choose_\(entry)(mt_context *cx, void *const *io, char *arena) {
          if (has_avx512()) {
            \(entry)_\(name)_avx512(cx, io, arena);
          } else if (has_avx2()) {
            \(entry)_\(name)_avx2(cx, io, arena);
          } else {
            \(entry)(cx, io, arena);
          }
        }

        """
    }
    text += "#else\n"
    for program in programs {
      text += "#define choose_\(program.emitted.entry) \(program.emitted.entry)\n"
    }
    return text + "#endif\n\n"
  }

  // MARK: - Weights

  private func weightDeclarations() -> String {
    guard isEmbedded, !arrays.arrays.isEmpty else { return "" }
    var text = "/* \(name)_weights.c */\n"
    for index in arrays.arrays.indices { text += "extern \(declaration(index));\n" }
    return text + "\n"
  }

  private func declaration(_ index: Int) -> String {
    let array = arrays.arrays[index]
    return "const \(array.type.dtype.cType) \(name)_weights_\(index)[\(max(1, array.type.count))]"
  }

  /// The tables of `NAME_weights.c`.
  func weights() -> String {
    var text = """
      /* \(name)_weights.c: the weights of \(name). Written by martlet compile. */
      #include <stdint.h>


      """
    for (index, array) in arrays.arrays.enumerated() {
      text += "/* \(SourceText.comment(array.label)) \(array.type) */\n"
      text += "extern \(declaration(index));\n"
      text += "_Alignas(64) \(declaration(index)) = {\n"
      text += NumberText.lines(array.bytes, array.type.dtype) + "};\n\n"
    }
    if arrays.arrays.isEmpty { text += "typedef int \(name)_has_no_weights;\n" }
    return text
  }

  static func comment(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.prefix(120).map {
          $0.value >= 32 && $0.value < 127 && $0 != "/" && $0 != "*" && $0 != "\\" && $0 != "?"
            && $0 != "\""
            ? $0 : "."
        }))
  }

  private func pointer(_ array: ExportedArray, _ index: Int) -> String {
    isEmbedded
      ? "\(name)_weights_\(index)" : "(const char *)ctx->weights + \(array.offset)"
  }

  // MARK: - Functions

  private func blocks() -> String {
    """
    /* MARK: the functions of \(name).h */

    /* The working memory of a call lies behind the intermediate values. */
    static char *begin_call(const \(name)_context *ctx, mt_context *cx) {
      char *arena = ctx->arena;
      cx->threads = MARTLET_THREADS;
      cx->scratch_bytes = \(header.scratchBytes);
      cx->workspace_bytes = \(header.workspaceBytes);
      cx->shared_bytes = \(header.sharedBytes);
      cx->scratch = arena + \(header.arenaBytes);
      cx->workspace = cx->scratch + MARTLET_THREADS * cx->scratch_bytes;
      cx->shared = cx->workspace + MARTLET_THREADS * cx->workspace_bytes;
      mt_context_enter(cx);
      return arena;
    }

    static int is_aligned(const void *block) { return ((uintptr_t)block & 63) == 0; }

    const char *\(name)_message(int status) {
      switch (status) {
        case \(upper)_OK: return "no error";
        case \(upper)_ERROR_NULL: return "a pointer is NULL, or the context was not initialised";
        case \(upper)_ERROR_SIZE: return "a block of memory is too small";
        case \(upper)_ERROR_ALIGNMENT: return "a block of memory does not begin at a multiple of 64";
        case \(upper)_ERROR_FORMAT: return "not a state or weights of Martlet, or not all of them";
        case \(upper)_ERROR_VERSION: return "written by a later version of Martlet";
        case \(upper)_ERROR_MODEL: return "a state or weights of another model";
        case \(upper)_ERROR_CHECKSUM: return "damaged: the checksum does not fit";
        case \(upper)_ERROR_RANGE: return "a label or an index is out of range";
      }
      return "unknown status";
    }


    """
  }

  private func checks() -> String {
    """
    /* The first 64 bytes of a state block or of the weights. */
    typedef struct {
      uint64_t magic;
      uint32_t version, header_bytes;
      uint64_t bytes;
      uint64_t model;    /* of all names, types and places */
      uint64_t checksum; /* of everything behind it */
      uint64_t steps, seed, reserved;
    } block_header;

    /* FNV-1a over words of 64 bits, from byte 40 on. */
    static uint64_t checksum_of(const void *block, size_t bytes) {
      uint64_t hash = 0xcbf29ce484222325u;
      for (size_t at = 40; at + 8 <= bytes; at += 8) {
        uint64_t word;
        memcpy(&word, (const char *)block + at, 8);
        hash = (hash ^ word) * 0x100000001b3u;
      }
      return hash;
    }

    static int check_block(const void *block, size_t given, uint64_t magic, size_t bytes, int sums) {
      block_header header;
      if (block == NULL) return \(upper)_ERROR_NULL;
      if (given < sizeof header) return \(upper)_ERROR_FORMAT;
      memcpy(&header, block, sizeof header);
      if (header.magic != magic || header.header_bytes != sizeof header) return \(upper)_ERROR_FORMAT;
      if (header.version > \(ExportedArrays.version)) return \(upper)_ERROR_VERSION;
      if (header.model != \(model)) return \(upper)_ERROR_MODEL;
      if (header.bytes != bytes || given < bytes) return \(upper)_ERROR_FORMAT;
      if (sums && header.checksum != checksum_of(block, bytes)) return \(upper)_ERROR_CHECKSUM;
      return \(upper)_OK;
    }


    """
  }

  private var model: String { SourceText.hex(arrays.fingerprint) }

  static func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) + "u" }

  private func initialisation() -> String {
    var text = header.initSignature + " {\n"
    var pointers = ["ctx == NULL", "arena == NULL"]
    var sizes = ["arena_bytes < \(upper)_ARENA_BYTES"]
    var aligned = ["!is_aligned(arena)"]
    if hasState {
      pointers.append("state == NULL")
      sizes.append("state_bytes < \(upper)_STATE_BYTES")
      aligned.append("!is_aligned(state)")
    }
    if !isEmbedded {
      pointers.append("weights == NULL")
      aligned.append("!is_aligned(weights)")
    }
    text += "  if (\(pointers.joined(separator: " || "))) return \(upper)_ERROR_NULL;\n"
    text += "  if (\(sizes.joined(separator: " || "))) return \(upper)_ERROR_SIZE;\n"
    text += "  if (\(aligned.joined(separator: " || "))) return \(upper)_ERROR_ALIGNMENT;\n"
    if !isEmbedded {
      let sums = options.weights == .file ? 1 : 0
      text += """
          const int found = check_block(weights, weights_bytes, \(SourceText.hex(ExportedArrays.weightsMagic)),
                                                   \(upper)_WEIGHTS_BYTES, \(sums));
          if (found != \(upper)_OK) return found;

        """
    }
    text += "  ctx->state = \(hasState ? "state" : "NULL");\n"
    text += "  ctx->weights = \(isEmbedded ? "NULL" : "weights");\n"
    text += "  ctx->arena = arena;\n"
    if hasState {
      text += """
          block_header first = {\(SourceText.hex(ExportedArrays.stateMagic)), \(ExportedArrays.version), sizeof first,
                                \(upper)_STATE_BYTES, \(model), 0, 0, \(seed), 0};
          memset(state, 0, \(upper)_STATE_BYTES);
          memcpy(state, &first, sizeof first);

        """
      for (index, array) in arrays.arrays.enumerated() {
        guard case .state(let offset) = array.target else { continue }
        text +=
          "  memcpy((char *)state + \(offset), \(pointer(array, index)), \(array.bytes.count));"
        text += " /* \(SourceText.comment(array.label)) */\n"
      }
    }
    text += "  return \(upper)_OK;\n}\n\n"
    if options.weights == .mmap {
      text += """
        int \(name)_check_weights(const void *weights, size_t weights_bytes) {
          return check_block(weights, weights_bytes, \(SourceText.hex(ExportedArrays.weightsMagic)),
                             \(upper)_WEIGHTS_BYTES, 1);
        }


        """
    }
    return text
  }

  private var seed: String { "\(programs.first?.program.options.seed ?? 0)u" }

  private func call(_ program: ExportedProgram) -> String {
    var text = header.signature(program) + " {\n"
    let pointers = (program.inputs + program.outputs).filter { !$0.isScalar }.map(\.name)
    let nulls = ["ctx == NULL", "ctx->arena == NULL"] + pointers.map { "\($0) == NULL" }
    text += "  if (\(nulls.joined(separator: " || "))) return \(upper)_ERROR_NULL;\n"
    for input in program.inputs where !input.isScalar {
      guard let bound = input.bound else { continue }
      let isSigned = ![.uint8, .uint16, .uint32, .uint64, .bool].contains(input.type.dtype)
      // A bound that the element type cannot pass needs no test, and gcc would say so.
      guard input.type.dtype.cType != "uint8_t" || bound < 256 else { continue }
      let low = isSigned ? "\(input.name)[i] < 0 || " : ""
      text += "  for (long i = 0; i < \(input.type.count); ++i) {\n"
      text += "    if (\(low)\(input.name)[i] >= \(bound)) return \(upper)_ERROR_RANGE;\n  }\n"
    }
    text += "  mt_context cx;\n  char *arena = begin_call(ctx, &cx);\n"
    let usesState = !slots(program).isEmpty || program.seedSlot != nil || program.stepSlot != nil
    if usesState || program.role == .train {
      text += "  char *state = ctx->state;\n"
    }
    if program.role == .train || program.stepSlot != nil {
      text += "  uint64_t *step = (void *)(state + 40);\n"
    }
    text += "  void *io[\(max(1, program.program.lowered.schedule.boundCount))] = {0};\n"
    for input in program.inputs {
      text += "  io[\(input.slot)] = \(input.isScalar ? "&" : "(void *)")\(input.name);\n"
    }
    for output in program.outputs { text += "  io[\(output.slot)] = \(output.name);\n" }
    if let slot = program.stepSlot { text += "  io[\(slot)] = step;\n" }
    if let slot = program.seedSlot { text += "  io[\(slot)] = state + 48;\n" }
    for (slot, offset) in slots(program) {
      let label = arrays.variables.first { $0.offset == offset }?.path ?? ""
      text += "  io[\(slot)] = state + \(offset); /* \(SourceText.comment(label)) */\n"
    }
    for (index, array) in arrays.arrays.enumerated() {
      guard case .constant(let role, let slot) = array.target, role == program.role else {
        continue
      }
      text += "  io[\(slot)] = (void *)(\(pointer(array, index)));\n"
    }
    text += "  choose_\(program.emitted.entry)(&cx, io, arena);\n"
    if program.role == .train { text += "  *step += 1;\n" }
    return text + "  mt_context_leave(&cx);\n  return \(upper)_OK;\n}\n\n"
  }

  private func slots(_ program: ExportedProgram) -> [(slot: Int, offset: Int)] {
    program.role == .run ? arrays.runSlots : arrays.trainSlots
  }

  private func saving() -> String {
    """
    int \(name)_save(const \(name)_context *ctx, void *buffer, size_t bytes) {
      if (ctx == NULL || ctx->state == NULL || buffer == NULL) return \(upper)_ERROR_NULL;
      if (bytes < \(upper)_STATE_BYTES) return \(upper)_ERROR_SIZE;
      memcpy(buffer, ctx->state, \(upper)_STATE_BYTES);
      const uint64_t sum = checksum_of(buffer, \(upper)_STATE_BYTES);
      memcpy((char *)buffer + offsetof(block_header, checksum), &sum, sizeof sum);
      return \(upper)_OK;
    }

    int \(name)_load(\(name)_context *ctx, const void *buffer, size_t bytes) {
      if (ctx == NULL || ctx->state == NULL || buffer == NULL) return \(upper)_ERROR_NULL;
      const int found =
          check_block(buffer, bytes, \(SourceText.hex(ExportedArrays.stateMagic)), \(upper)_STATE_BYTES, 1);
      if (found != \(upper)_OK) return found;
      memcpy(ctx->state, buffer, \(upper)_STATE_BYTES);
      return \(upper)_OK;
    }

    uint64_t \(name)_steps(const \(name)_context *ctx) {
      block_header header = {0};
      if (ctx != NULL && ctx->state != NULL) memcpy(&header, ctx->state, sizeof header);
      return header.steps;
    }


    """
  }

  private func tables() -> String {
    var text = ""
    if !options.classes.isEmpty {
      let names = options.classes.map { "\"\(SourceText.comment($0))\"" }
      text += "const char *const \(name)_classes[\(upper)_CLASSES] = {"
      text += names.joined(separator: ", ") + "};\n\n"
    }
    for program in programs {
      let prefix = program.role == .run ? name : "\(name)_train"
      for (kind, tensors) in [("inputs", program.inputs), ("outputs", program.outputs)] {
        text += "const \(name)_tensor \(prefix)_\(kind)[\(max(1, tensors.count))] = {\n"
        for tensor in tensors {
          let shape = tensor.type.shape.dimensions
          let list = shape.isEmpty ? "0" : shape.prefix(8).map(String.init).joined(separator: ", ")
          text +=
            "    {\"\(tensor.name)\", \"\(tensor.type.description.prefix { $0 != "[" })\", \(min(8, shape.count)), "
          text += "{\(list)}, \(tensor.type.count)},\n"
        }
        if tensors.isEmpty { text += "    {\"\", \"\", 0, {0}, 0},\n" }
        text += "};\n"
      }
    }
    return text
  }
}
