import pytest

from mmdet.formats.ytvis_layout import find_ann_file, find_image_folder


@pytest.mark.parametrize(
    ('wanted', 'there'),
    [
        ('annotations/instances_train_sub.json', 'annotations/instances_train_sub.json'),
        ('annotations/instances_train_sub.json', 'annotations/train.json'),
        ('annotations/instances_train_sub.json', 'annotations/instances_train.json'),
        ('annotations/instances_train_sub.json', 'train.json'),
        ('annotations/instances_train_sub.json', 'train/instances.json'),
        ('annotations/instances_train_sub.json', 'annotations_train.json'),
        ('annotations/instances_val_sub.json', 'annotations/valid.json'),
        ('annotations/instances_val_sub.json', 'valid/instances.json'),
        ('annotations/instances_val_sub.json', 'annotations/instances_val.json'),
        ('annotations/instances_test_sub.json', 'test.json'),
    ],
)
def test_annotation_file_under_its_other_names(wanted, there, tmp_path):
    path = tmp_path / there
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{}')
    assert find_ann_file(tmp_path / wanted) == str(path)


@pytest.mark.parametrize('wanted', ['annotations/instances_train_sub.json', 'annotations/mine.json'])
def test_no_other_split_and_no_guess_for_other_names(wanted, tmp_path):
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'annotations/valid.json').write_text('{}')
    assert find_ann_file(tmp_path / wanted) == str(tmp_path / wanted)


@pytest.mark.parametrize('wanted', ['val', 'val/', 'valid', 'valid/JPEGImages', 'val/JPEGImages'])
@pytest.mark.parametrize('there', ['val', 'valid', 'val/JPEGImages', 'valid/JPEGImages'])
def test_image_folder_under_its_other_names(wanted, there, tmp_path):
    (tmp_path / there / 'v').mkdir(parents=True)
    (tmp_path / there / 'v/0.jpg').write_text('')
    found = find_image_folder(f'{tmp_path}/{wanted}', 'v/0.jpg')
    assert found.rstrip('/') == str(tmp_path / there)


def test_image_folder_that_is_nowhere_stays_as_given(tmp_path):
    assert find_image_folder(str(tmp_path / 'val'), 'v/0.jpg') == str(tmp_path / 'val')
