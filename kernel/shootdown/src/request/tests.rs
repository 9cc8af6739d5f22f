//! Requests, as they are made and compared.

use super::*;

const SPACE: SpaceId = SpaceId(7);

#[test]
fn an_end_taken_as_inclusive_is_caught() {
    let request = Request::range(SPACE, 0x1000, 0x3000).unwrap();
    assert_eq!((request.start(), request.end()), (0x1000, 0x3000));
    assert!(request.contains(SPACE, 0x2fff));
    assert!(!request.contains(SPACE, 0x3000));
    assert!(!request.contains(SPACE, 0xfff));
}

#[test]
fn a_range_that_cuts_a_page_off_is_caught() {
    let request = Request::range(SPACE, 0x1fff, 0x2001).unwrap();
    assert_eq!((request.start(), request.end()), (0x1000, 0x3000));
    let one = Request::range(SPACE, 0x1001, 0x1002).unwrap();
    assert_eq!(one, Request::page(SPACE, 0x1fff).unwrap());
}

#[test]
fn a_range_at_the_threshold_is_the_whole_space() {
    let bytes = RANGE_LIMIT * PAGE_SIZE;
    let below = Request::range(SPACE, 0, bytes - PAGE_SIZE).unwrap();
    assert_eq!(below.operation(), Operation::Range);
    assert_eq!(
        Request::range(SPACE, 0, bytes).unwrap(),
        Request::space(SPACE)
    );
    let kernel = Request::range(SpaceId::KERNEL, 0, bytes).unwrap();
    assert_eq!(kernel, Request::global());
}

#[test]
fn an_address_nothing_can_be_mapped_at_is_refused() {
    let hole = 0x8000_0000_0000;
    assert_eq!(
        Request::page(SPACE, hole),
        Err(BadRequest::NotCanonical(hole))
    );
    let to_the_hole = Request::range(SPACE, hole - 0x2000, hole).unwrap();
    assert_eq!(to_the_hole.end(), hole);
    assert_eq!(
        Request::range(SPACE, 0x1000, hole + 1),
        Err(BadRequest::NotCanonical(hole))
    );
    assert!(Request::range(SPACE, 0x1000, 0xffff_8000_0000_1000).is_err());
    assert!(Request::range(SPACE, 0x2000, 0x2000).is_err());
    assert!(Request::range(SPACE, u64::MAX - 5, u64::MAX).is_err());
}

#[test]
fn the_last_page_there_is_counts_as_covered() {
    let last = Request::page(SpaceId::KERNEL, u64::MAX).unwrap();
    assert!(last.contains(SpaceId::KERNEL, u64::MAX - 10));
    assert!(!last.contains(SpaceId::KERNEL, u64::MAX - PAGE_SIZE));
}

#[test]
fn a_request_for_one_space_covers_no_other() {
    let page = Request::page(SPACE, 0x5000).unwrap();
    assert!(!page.contains(SpaceId(8), 0x5000));
    assert!(!Request::space(SPACE).contains(SpaceId(8), 0x5000));
    assert!(Request::global().contains(SpaceId(8), 0x5000));
    assert!(!Request::cache().contains(SPACE, 0x5000));
}

#[test]
fn a_request_taken_for_one_that_does_more() {
    let kernel_page = Request::page(SpaceId::KERNEL, u64::MAX).unwrap();
    let page = Request::page(SPACE, 0x5000).unwrap();
    let range = Request::range(SPACE, 0x4000, 0x6000).unwrap();
    let other = Request::space(SpaceId(8));
    let by_size = [page, range, Request::space(SPACE), Request::global()];
    for (size, small) in by_size.iter().enumerate() {
        for (more, large) in by_size.iter().enumerate() {
            assert_eq!(
                large.includes(small),
                more >= size,
                "{large} includes {small}"
            );
        }
        assert!(!other.includes(small));
        assert!(!Request::cache().includes(small) && !small.includes(&Request::cache()));
    }
    assert!(kernel_page.includes(&kernel_page) && Request::global().includes(&kernel_page));
    let overlaps = |start, end| Request::range(SPACE, start, end).unwrap();
    assert!(!overlaps(0x5000, 0x7000).includes(&range));
    assert!(!overlaps(0x3000, 0x5000).includes(&range));
    assert!(Request::cache().includes(&Request::cache()));
}

#[test]
fn an_operation_word_that_decodes_to_another_is_caught() {
    for operation in Operation::ALL {
        assert_eq!(Operation::from_bits(operation as u32), Some(operation));
        assert_eq!(Operation::from_name(operation.name()), Some(operation));
        assert_eq!(Operation::ALL[operation as usize], operation);
    }
    assert_eq!(Operation::from_bits(5), None);
}
