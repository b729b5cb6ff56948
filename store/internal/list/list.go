// Package list has a doubly linked list whose items are parts of what they hold: being in a list, or in several, costs no
// allocation, and leaving one costs the same wherever in it the item is.
package list

import "iter"

// List is a list of values in the order in which they were pushed. The zero value is empty. It is not safe for
// concurrent use.
type List[T any] struct {
	first, last *Item[T]
	len         int
}

// Item is a value's place in one list. Value is set before it is pushed.
type Item[T any] struct {
	Value      T
	prev, next *Item[T]
}

// Len returns the number of values.
func (l *List[T]) Len() int { return l.len }

// First returns the value that has been in the list for longest, or the zero value where there is none.
func (l *List[T]) First() T {
	if l.first == nil {
		var none T
		return none
	}
	return l.first.Value
}

// All yields the values in order. The list must not be changed meanwhile.
func (l *List[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for it := l.first; it != nil && yield(it.Value); it = it.next {
		}
	}
}

// Push makes it the last item. It must be in no list.
func (l *List[T]) Push(it *Item[T]) {
	it.prev = l.last
	if l.last != nil {
		l.last.next = it
	} else {
		l.first = it
	}
	l.last = it
	l.len++
}

// Remove takes it out of the list, in which it must be.
func (l *List[T]) Remove(it *Item[T]) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		l.first = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		l.last = it.prev
	}
	it.prev, it.next = nil, nil
	l.len--
}
