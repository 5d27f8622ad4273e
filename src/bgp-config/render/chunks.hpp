// Chunks: a sorted list of items as files of a few hundred items each, where a changed item makes one file anew.
//
// Where a file ends depends on the items' names alone (an item whose name's hash has the low bits zero starts a new one), so an
// item more or less moves no other from file to file. Text of unchanged items is kept.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text.hpp"

namespace margay::bgp {

// Kind: Item (regular), Extra (what is kept beside an item's text); static id(const Item&) → std::uint64_t, well mixed;
// owner(const Item&) → Key.
template <class Kind>
class Chunks {
 public:
  using Item = typename Kind::Item;
  struct Entry {
    Item item;
    typename Kind::Extra extra;
    std::string text;  // whole lines
    unsigned lines = 0;
  };
  struct Chunk {
    std::vector<Entry> entries;
    std::shared_ptr<const RenderedFile> file;
  };

  // `items`: pointers, in order. `make` fills the entry of a new or changed item. `stem`: of the files' names.
  template <class Make>
  void update(const std::vector<const Item*>& items, std::string_view stem, Make make) {
    std::unordered_map<std::uint64_t, std::unique_ptr<Chunk>> old;
    for (auto& chunk : chunks_) old.try_emplace(Kind::id(chunk->entries.front().item), std::move(chunk));
    chunks_.clear();
    for (std::size_t begin = 0; begin < items.size();) {
      std::size_t end = begin + 1;
      while (end < items.size() && end - begin < kMaxItems && Kind::id(*items[end]) % kMeanItems != 0) ++end;
      std::unique_ptr<Chunk> chunk;
      if (auto node = old.extract(Kind::id(*items[begin]))) chunk = std::move(node.mapped());
      if (!chunk) chunk = std::make_unique<Chunk>();
      refresh(*chunk, items, begin, end, stem, make);
      chunks_.push_back(std::move(chunk));
      begin = end;
    }
  }
  void clear() { chunks_.clear(); }
  [[nodiscard]] const std::vector<std::unique_ptr<Chunk>>& chunks() const noexcept { return chunks_; }

 private:
  static constexpr std::size_t kMeanItems = 256, kMaxItems = 4096;

  template <class Make>
  void refresh(Chunk& chunk, const std::vector<const Item*>& items, std::size_t begin, std::size_t end, std::string_view stem,
               Make& make) {
    bool same = chunk.file && chunk.entries.size() == end - begin;
    for (std::size_t i = begin; same && i < end; ++i) same = chunk.entries[i - begin].item == *items[i];
    if (same) return;
    std::vector<Entry> entries(end - begin);
    auto old = chunk.entries.begin();
    Lines lines;
    for (std::size_t i = begin; i < end; ++i) {
      Entry& entry = entries[i - begin];
      const std::uint64_t id = Kind::id(*items[i]);
      auto kept = old;
      while (kept != chunk.entries.end() && Kind::id(kept->item) != id) ++kept;
      if (kept != chunk.entries.end()) {
        old = kept + 1;
        if (kept->item == *items[i]) entry = std::move(*kept);
      }
      if (entry.lines == 0) {
        entry.item = *items[i];
        make(entry);
        for (const char c : entry.text) entry.lines += c == '\n';
      }
      lines.own(Kind::owner(entry.item));
      lines.add_text(entry.text, entry.lines);
    }
    chunk.entries = std::move(entries);
    chunk.file = std::move(lines).file(stem);
  }

  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace margay::bgp
