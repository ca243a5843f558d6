// A bundle in a temporary directory, which vanishes at the end of its scope.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace test {

class ToyBundle {
public:
    /// Valid, with a few bytes for an engine and a plugin.
    ToyBundle();
    ~ToyBundle();
    ToyBundle(const ToyBundle&) = delete;
    ToyBundle& operator=(const ToyBundle&) = delete;

    /// Puts a working engine in, whose plugin has no operators: one row [sum of ids, sum of
    /// positions, sum of types] per sequence.
    void make_engine();
    /// After that, a tokenizer: tokens are bytes, of a pair those of the second text, with type 1;
    /// texts are cut to 3 of them, and U+03C2 and U+4E00 to U+4EFF are refused. It needs no
    /// operator of a library, so that any extension of OpenVINO will do.
    void make_texts();
    /// Becomes a bundle for a GPU of compute capability 7.5, which takes 3 sequences with 12 tokens
    /// in all: made with this version of "tensorrt" or "tensorrt_rtx".
    void make_tensorrt(const std::string& library, const std::string& version);
    void put(const std::string& file, const std::string& content);
    /// Changes the manifest and records its new hash.
    void replace(const std::string& from, const std::string& to);
    /// Lists one more file in the manifest.
    void add_entry(const std::string& file);

    const std::filesystem::path path;

private:
    std::string entry(const std::string& file) const;
    /// `backend` stands for the entries that only bundles of one backend have.
    void write_manifest(const std::string& backend, const std::vector<std::string>& files);
    void write_openvino_manifest();

    std::string manifest_;
};

}  // namespace test
