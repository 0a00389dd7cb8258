/* Lets the linker drop what no code of a program in Swift reaches: loosen FILE…
 *
 * Swift's compiler marks everything public, and every record of a type or a conformance, as retained
 * (SHF_GNU_RETAIN): a program might ask for it by name. A library whose types nobody outside sees has no
 * such caller. This rewrites objects and archives in place:
 *
 *  - functions and data lose the mark, so that --gc-sections judges them by who refers to them;
 *  - the record that a type exists, or that it conforms to a protocol, is tied to the type's descriptor
 *    (SHF_LINK_ORDER): it stays as long as something refers to the type, and dynamic casts of its values
 *    find what they found before. Records of types of another object keep the mark;
 *  - records that only debuggers read (captures, associated types, layouts of builtins) lose it as well.
 *
 * Only what is known is touched; a file that is no object for this is left as it is. */
#include <ar.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SHF_GNU_RETAIN
#define SHF_GNU_RETAIN (1u << 21)
#endif

typedef struct {
  unsigned char *bytes;
  size_t size;
  Elf64_Shdr *sections;
  size_t count;
  const char *names;
  size_t names_size;
} object;

static int inside(const object *o, const Elf64_Shdr *s) {
  return s->sh_type != SHT_NOBITS && s->sh_offset <= o->size && s->sh_size <= o->size - s->sh_offset;
}

static const char *name(const object *o, const Elf64_Shdr *s) {
  return s->sh_name < o->names_size ? o->names + s->sh_name : "";
}

static int begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* What the distance at OFFSET of section INDEX leads to, if that is a section of this very object which no
 * other may replace: its index, else 0. RELOCATIONS has the section of relocations for each section. */
static size_t target(const object *o, const size_t *relocations, size_t index, Elf64_Xword offset,
                     Elf64_Xword *within) {
  if (relocations[index] == 0) return 0;
  const Elf64_Shdr *rela = &o->sections[relocations[index]];
  if (rela->sh_link >= o->count || !inside(o, rela) || !inside(o, &o->sections[rela->sh_link])) return 0;
  const Elf64_Rela *r = (const Elf64_Rela *)(o->bytes + rela->sh_offset);
  const Elf64_Sym *symbols = (const Elf64_Sym *)(o->bytes + o->sections[rela->sh_link].sh_offset);
  const size_t symbol_count = o->sections[rela->sh_link].sh_size / sizeof *symbols;
  for (size_t i = 0; i < rela->sh_size / sizeof *r; ++i) {
    if (r[i].r_offset != offset) continue;
    const Elf64_Xword type = ELF64_R_TYPE(r[i].r_info), at = ELF64_R_SYM(r[i].r_info);
    if ((type != R_X86_64_PC32 && type != R_AARCH64_PREL32) || at >= symbol_count) return 0;
    const Elf64_Sym *symbol = &symbols[at];
    if (ELF64_ST_BIND(symbol->st_info) == STB_WEAK || symbol->st_shndx == SHN_UNDEF
        || symbol->st_shndx >= o->count)
      return 0;
    const Elf64_Shdr *found = &o->sections[symbol->st_shndx];
    if (found->sh_type != SHT_PROGBITS || (found->sh_flags & (SHF_GROUP | SHF_MERGE)) != 0) return 0;
    *within = symbol->st_value + (Elf64_Xword)r[i].r_addend;
    return symbol->st_shndx;
  }
  return 0;
}

/* The section of the type that the record in section INDEX is about. */
static size_t type_of_record(const object *o, const size_t *relocations, size_t index) {
  const Elf64_Shdr *record = &o->sections[index];
  if (record->sh_size != 4) return 0; /* one record a section, or none is touched */
  Elf64_Xword within = 0;
  const size_t first = target(o, relocations, index, 0, &within);
  if (first == 0 || strcmp(name(o, record), "swift5_protocol_conformances") != 0) return first;
  /* A conformance: protocol, type, witnesses, flags, whose bits 3 to 5 say how the type is named. */
  const Elf64_Shdr *conformance = &o->sections[first];
  if (!inside(o, conformance) || within > conformance->sh_size || conformance->sh_size - within < 16)
    return 0;
  unsigned flags;
  memcpy(&flags, o->bytes + conformance->sh_offset + within + 12, sizeof flags);
  if ((flags >> 3 & 7) != 0) return 0;
  Elf64_Xword unused;
  return target(o, relocations, first, within + 4, &unused);
}

static void loosen(object *o, size_t *relocations) {
  for (size_t i = 1; i < o->count; ++i) {
    const Elf64_Shdr *s = &o->sections[i];
    if (s->sh_type == SHT_RELA && s->sh_info < o->count) relocations[s->sh_info] = i;
  }
  for (size_t i = 1; i < o->count; ++i) {
    Elf64_Shdr *s = &o->sections[i];
    if ((s->sh_flags & SHF_GNU_RETAIN) == 0) continue;
    const char *section = name(o, s);
    static const char *const reached[] = {
        ".text", ".rodata", ".data", ".bss", "swift5_fieldmd", "swift5_assocty", "swift5_builtin",
        "swift5_capture", "swift5_mpenum"};
    static const char *const records[] = {
        "swift5_protocol_conformances", "swift5_type_metadata", "swift5_protocols"};
    for (size_t k = 0; k < sizeof reached / sizeof *reached; ++k)
      if (begins(section, reached[k])) s->sh_flags &= ~(Elf64_Xword)SHF_GNU_RETAIN;
    for (size_t k = 0; k < sizeof records / sizeof *records; ++k) {
      if (!begins(section, records[k])) continue;
      const size_t type = type_of_record(o, relocations, i);
      if (type == 0) break;
      s->sh_flags = (s->sh_flags & ~(Elf64_Xword)SHF_GNU_RETAIN) | SHF_LINK_ORDER;
      s->sh_link = (Elf64_Word)type;
    }
  }
}

/* An object in memory that is aligned for its structures. */
static void loosen_object(unsigned char *bytes, size_t size) {
  object o = {.bytes = bytes, .size = size};
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)bytes;
  if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0
      || header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB
      || header->e_type != ET_REL || header->e_shoff == 0 || header->e_shoff % 8 != 0
      || header->e_shoff > size - sizeof(Elf64_Shdr))
    return;
  o.sections = (Elf64_Shdr *)(bytes + header->e_shoff);
  /* Objects with more sections than a header can count keep both numbers in the first section. */
  o.count = header->e_shnum != 0 ? header->e_shnum : o.sections[0].sh_size;
  const size_t strings = header->e_shstrndx != SHN_XINDEX ? header->e_shstrndx : o.sections[0].sh_link;
  if (o.count > (size - header->e_shoff) / sizeof(Elf64_Shdr) || o.count >= SHN_LORESERVE
      || strings >= o.count || !inside(&o, &o.sections[strings]) || o.sections[strings].sh_size == 0)
    return;
  o.names = (const char *)bytes + o.sections[strings].sh_offset;
  o.names_size = o.sections[strings].sh_size;
  if (o.names[o.names_size - 1] != 0) return;
  size_t *relocations = calloc(o.count, sizeof *relocations);
  if (relocations != NULL) loosen(&o, relocations);
  free(relocations);
}

/* One object, or each member of an archive, whose members start at even addresses only. */
static void loosen_file(unsigned char *bytes, size_t size) {
  static const char magic[] = "!<arch>\n";
  if (size < 8 || memcmp(bytes, magic, 8) != 0) {
    loosen_object(bytes, size);
    return;
  }
  for (size_t at = 8; at + sizeof(struct ar_hdr) <= size;) {
    const struct ar_hdr *header = (const struct ar_hdr *)(bytes + at);
    char digits[sizeof header->ar_size + 1] = {0};
    memcpy(digits, header->ar_size, sizeof header->ar_size);
    const size_t length = strtoull(digits, NULL, 10);
    at += sizeof *header;
    if (length > size - at) return;
    unsigned char *copy = malloc(length + 1);
    if (copy == NULL) return;
    memcpy(copy, bytes + at, length);
    loosen_object(copy, length);
    memcpy(bytes + at, copy, length);
    free(copy);
    at += length + length % 2;
  }
}

static int rewrite(const char *path) {
  const int file = open(path, O_RDWR);
  struct stat about;
  if (file < 0 || fstat(file, &about) != 0) return perror(path), 1;
  unsigned char *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (bytes == MAP_FAILED) return perror(path), 1;
  loosen_file(bytes, (size_t)about.st_size);
  return munmap(bytes, (size_t)about.st_size) != 0;
}

int main(int argc, char **argv) {
  int failed = 0;
  for (int i = 1; i < argc; ++i) failed |= rewrite(argv[i]);
  return failed;
}
