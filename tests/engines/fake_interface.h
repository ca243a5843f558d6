// Objects of TensorRT's interfaces, which have dozens of virtual functions that differ from version
// to version, with only those that a test needs.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <typeinfo>

namespace test {

/// Looks like an object whose class overrides some functions of `Interface`; a call of another one
/// ends the program. Relies on the C++ ABI that Linux uses everywhere: a table of functions, and
/// its offset in pointers to members.
template <class Interface>
class FakeInterface {
public:
    explicit FakeInterface(void* owner = nullptr) : owner_(owner) {
        table_[1] = const_cast<std::type_info*>(&typeid(Interface));
        for (void*& function : table_)
            function = function ? function : reinterpret_cast<void*>(&std::abort);
        table_[0] = nullptr;
    }
    FakeInterface(const FakeInterface&) = delete;
    FakeInterface& operator=(const FakeInterface&) = delete;

    /// From now on `function` is `action`, which is given the object first; see owner().
    template <class Result, class... Arguments>
    void on(Result (Interface::*function)(Arguments...), Result (*action)(void*, Arguments...)) {
        put(function, reinterpret_cast<void*>(action));
    }
    template <class Result, class... Arguments>
    void on(Result (Interface::*function)(Arguments...) const,
            Result (*action)(void*, Arguments...)) {
        put(function, reinterpret_cast<void*>(action));
    }

    /// What was given as the owner of the object.
    template <class Owner>
    static Owner& owner(void* object) {
        return *static_cast<Owner*>(static_cast<FakeInterface*>(object)->owner_);
    }

    Interface* get() { return reinterpret_cast<Interface*>(this); }

private:
    template <class Function>
    void put(Function function, void* action) {
        std::intptr_t offset;  // + 1 on some processors
        std::memcpy(&offset, &function, sizeof offset);
        table_[2 + offset / sizeof(void*)] = action;
    }

    void** functions_ =
        table_ + 2;          // where the object of a class with virtual functions keeps this
    void* table_[200] = {};  // offset to the whole object, type, functions
    void* owner_;
};

}  // namespace test
