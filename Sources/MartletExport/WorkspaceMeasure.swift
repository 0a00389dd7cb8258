// How much memory the runtime's calls pack into: found by running them.

internal import CMartletRuntime
import MartletCodegen
import MartletExecution
import MartletJIT
import MartletLoops

extension Workspace {
  /// Runs a program once over zeros for each instruction set of this CPU, with one thread and with
  /// four, and takes the most that any thread asked for.
  ///
  /// Another CPU's kernels have other sizes, so a quarter is added; a call that asks for more all the
  /// same takes the runtime's way without memory, which is slow and right.
  init(measuring program: Program) throws(ExportError) {
    let schedule = program.lowered.schedule
    do {
      let emitted = try emit(schedule, form: .tile)
      var source = EmittedSource(emitted.source, symbols: emitted.symbols)
      source.foreign = emitted.foreign
      var memory: [Memory] = []
      var io = [UnsafeMutableRawPointer?](repeating: nil, count: max(1, schedule.boundCount))
      for buffer in schedule.buffers {
        guard case .bound(let slot) = buffer.storage, io[slot] == nil else { continue }
        let block = try Memory(byteCount: buffer.byteCount)
        memory.append(block)
        io[slot] = block.base
      }
      let arena = try Memory(byteCount: schedule.arenaBytes)
      for isa in InstructionSet.allCases where isa.isSupported {
        let code = try JIT(isa: isa).compile(source)
        let entry = unsafeBitCast(
          try code.function(named: emitted.entry), to: Program.Entry.self)
        for threads in [1, 4] {
          guard let context = mt_context_create(Int32(threads), emitted.scratchBytes) else {
            throw ExportError("no memory for a trial run")
          }
          defer { mt_context_destroy(context) }
          mt_context_enter(context)
          io.withUnsafeBufferPointer { table in
            if let base = table.baseAddress { entry(context, base, arena.base) }
          }
          mt_context_leave(context)
          for part in 0..<threads {
            self.part = max(self.part, mt_context_workspace_of(context, Int32(part)))
          }
          shared = max(shared, mt_context_workspace_of(context, Int32(threads)))
        }
        withExtendedLifetime(code) {}
      }
      withExtendedLifetime(memory) {}
    } catch let error as ExportError {
      throw error
    } catch {
      throw ExportError("a trial run failed: \(error)")
    }
    part = (part + part / 4 + 63) / 64 * 64
    shared = (shared + shared / 4 + 63) / 64 * 64
  }
}
