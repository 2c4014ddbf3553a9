"""What WhatsApp writes in its exports in place of a person's words or beside them, language after language.

Texts are separated by bars and lines. Case and a full stop at the end don't matter.
"""

DELETED = """
this message was deleted|this message was deleted by an admin|this message has been deleted
you deleted this message|you deleted this message as admin
diese nachricht wurde gelöscht|diese nachricht wurde von einem admin gelöscht|du hast diese nachricht gelöscht
du hast diese nachricht als admin gelöscht
se eliminó este mensaje|este mensaje fue eliminado|eliminaste este mensaje|este mensaje ha sido eliminado
has eliminado este mensaje|un administrador eliminó este mensaje|un admin. eliminó este mensaje
mensagem apagada|esta mensagem foi apagada|essa mensagem foi apagada|você apagou esta mensagem
apagou esta mensagem|esta mensagem foi eliminada|eliminou esta mensagem|mensagem apagada por um admin
esta mensagem foi apagada pelo remetente|você apagou essa mensagem|esta mensagem foi apagada por um admin
ce message a été supprimé|vous avez supprimé ce message|ce message a été supprimé par un admin
questo messaggio è stato eliminato|hai eliminato questo messaggio
hai eliminato questo messaggio come amministratore
questo messaggio è stato eliminato da un amministratore
dit bericht is verwijderd|u hebt dit bericht verwijderd|je hebt dit bericht verwijderd
dit bericht is verwijderd door een beheerder|u heeft dit bericht verwijderd
данное сообщение удалено|сообщение удалено|это сообщение было удалено|вы удалили данное сообщение
вы удалили это сообщение|это сообщение удалено|данное сообщение удалено админом
це повідомлення було видалено|ви видалили це повідомлення|це повідомлення видалено
bu mesaj silindi|bu mesajı sildiniz|bu mesaj bir yönetici tarafından silindi
pesan ini dihapus|pesan ini telah dihapus|anda menghapus pesan ini|anda telah menghapus pesan ini
pesan ini dihapus oleh admin
mesej ini telah dipadam|anda telah memadamkan mesej ini|mesej ini dipadam
यह मैसेज डिलीट कर दिया गया है|यह मैसेज डिलीट कर दिया गया|यह संदेश मिटाया गया|यह संदेश हटा दिया गया था
यह मैसेज डिलीट किया गया
आपने यह मैसेज डिलीट किया|आपने यह संदेश मिटाया|आपने यह संदेश हटा दिया|आपने इस मैसेज को डिलीट किया
आपने यह मैसेज डिलीट कर दिया
تم حذف هذه الرسالة|لقد حذفت هذه الرسالة|لقد حذَفت هذه الرسالة|أنت حذفت هذه الرسالة|حذفت هذه الرسالة
تم حذف هذه الرسالة بواسطة المشرف
הודעה זו נמחקה|ההודעה נמחקה|מחקת את ההודעה הזו|מחקת הודעה זו
این پیام حذف شد|این پیام حذف شده است|شما این پیام را حذف کردید
یہ میسج حذف کر دیا گیا ہے|یہ پیغام حذف کیا گیا|آپ نے یہ میسج حذف کر دیا ہے|آپ نے اس پیغام کو حذف کیا
此訊息已刪除|這則訊息已刪除|此訊息已被刪除|您已刪除此訊息|你已刪除此訊息|您已刪除這則訊息|你已刪除這則訊息
您刪除了此訊息|你刪除了此訊息|已刪除此訊息|訊息已刪除
此消息已删除|这条消息已被删除|此消息已被删除|这条消息已删除|该消息已删除|信息已删除|您已删除这条消息
你已删除这条消息|您删除了此消息|你删除了此消息|您已删除此消息
您删除这个信息|您删除了这条消息|你删除了这条消息|已删除此消息|消息已删除
このメッセージは削除されました|メッセージが削除されました|このメッセージを削除しました|メッセージを削除しました
あなたはこのメッセージを削除しました
이 메시지는 삭제되었습니다|삭제된 메시지입니다|삭제한 메시지입니다|이 메시지를 삭제했습니다|메시지를 삭제했습니다
tin nhắn này đã bị xóa|tin nhắn này đã bị xoá|bạn đã xóa tin nhắn này|bạn đã xoá tin nhắn này
ข้อความนี้ถูกลบแล้ว|ข้อความนี้ได้ถูกลบ|คุณได้ลบข้อความนี้|คุณลบข้อความนี้
এই মেসেজটি বাদ দেওয়া হয়েছে|এই বার্তাটি মুছে ফেলা হয়েছে|আপনি এই মেসেজটি বাদ দিয়েছেন
আপনি এই বার্তাটি মুছে ফেলেছেন
हा मेसेज हटवण्यात आला|तुम्ही हा मेसेज हटवला|આ મેસેજ ડિલીટ કરાયો|તમે આ મેસેજ ડિલીટ કર્યો
ta wiadomość została usunięta|usunąłeś(-ęłaś) tę wiadomość|usunięto tę wiadomość
tato zpráva byla smazána|tato zpráva byla odstraněna|tuto zprávu jste smazal/a|tuto zprávu jste odstranil/a
táto správa bola odstránená|túto správu ste odstránili|acest mesaj a fost șters|ați șters acest mesaj
ez az üzenet törlésre került|ezt az üzenetet törölted|törölted ezt az üzenetet
ova je poruka izbrisana|ova poruka je izbrisana|izbrisali ste ovu poruku|ова порука је обрисана
съобщението беше изтрито|изтрихте това съобщение|оваа порака беше избришана
det här meddelandet raderades|detta meddelande raderades|du raderade det här meddelandet
du har tagit bort meddelandet
denne meldingen ble slettet|du slettet denne meldingen|denne besked blev slettet|denne besked er blevet slettet
du slettede denne besked|du har slettet denne besked|tämä viesti poistettiin|poistit tämän viestin
αυτό το μήνυμα διαγράφηκε|διαγράψατε αυτό το μήνυμα|διαγράψατε το μήνυμα
aquest missatge s'ha suprimit|has suprimit aquest missatge|see sõnum on kustutatud|kustutasid selle sõnumi
ši žinutė buvo ištrinta|jūs ištrynėte šią žinutę|šī ziņa tika izdzēsta|jūs izdzēsāt šo ziņu
to sporočilo je bilo izbrisano|to sporočilo ste izbrisali|ujumbe huu ulifutwa|umefuta ujumbe huu
bu ismarıc silindi|bu mesaj silinib|бұл хат жойылды|itong mensahe ay binura na|hierdie boodskap is uitgevee
"""

# Deleted by an admin: the dots stand for the name.
DELETED_BY_ADMIN = """
this message was deleted by admin …
diese nachricht wurde von admin … gelöscht|diese nachricht wurde vom admin … gelöscht
este mensaje fue eliminado por el admin. …|este mensaje fue eliminado por el admin …|el admin. … eliminó este mensaje
este mensaje fue eliminado por el administrador …|este mensaje ha sido eliminado por el admin. …
esta mensagem foi apagada pelo admin …|esta mensagem foi apagada por um admin …|mensagem apagada pelo admin …
esta mensagem foi apagada pelo administrador …|esta mensagem foi eliminada pelo admin …
ce message a été supprimé par l'admin …|ce message a été supprimé par l'administrateur …
questo messaggio è stato eliminato dall'amministratore …|questo messaggio è stato eliminato dall'admin …
dit bericht is verwijderd door beheerder …|dit bericht is verwijderd door de beheerder …
данное сообщение удалено админом …|это сообщение удалено админом …|сообщение удалено админом …
данное сообщение удалено администратором …|це повідомлення видалено адміном …|це повідомлення видалив адмін …
bu mesaj … adlı yönetici tarafından silindi|bu mesaj yönetici … tarafından silindi
pesan ini dihapus oleh admin …|pesan ini telah dihapus oleh admin …
mesej ini dipadam oleh pentadbir …|mesej ini telah dipadam oleh pentadbir …
admin … ने यह मैसेज डिलीट किया|एडमिन … ने यह मैसेज डिलीट किया|यह मैसेज एडमिन … ने डिलीट किया
تم حذف هذه الرسالة بواسطة المشرف …|حذف المشرف … هذه الرسالة
הודעה זו נמחקה על ידי המנהל …|ההודעה נמחקה על ידי המנהל …|این پیام توسط مدیر … حذف شد
管理员…删除了这条消息|管理员…删除了此消息|管理员…已删除此消息|此消息已被管理员…删除|此消息已由管理员…删除
这条消息已被管理员…删除
管理員…刪除了此訊息|管理員…已刪除此訊息|此訊息已被管理員…刪除|此訊息已由管理員…刪除|這則訊息已被管理員…刪除
このメッセージは管理者…によって削除されました|このメッセージは管理者…により削除されました
管理者…がこのメッセージを削除しました
이 메시지는 관리자 …에 의해 삭제되었습니다|관리자 …님이 이 메시지를 삭제했습니다|관리자 …님이 삭제한 메시지입니다
tin nhắn này đã bị quản trị viên … xóa|tin nhắn này đã bị xóa bởi quản trị viên …|ข้อความนี้ถูกลบโดยผู้ดูแล …
ta wiadomość została usunięta przez administratora …|tato zpráva byla odstraněna správcem …
tuto zprávu odstranil správce …|táto správa bola odstránená správcom …|acest mesaj a fost șters de administratorul …
ezt az üzenetet … admin törölte|ezt az üzenetet … adminisztrátor törölte
det här meddelandet raderades av administratören …|detta meddelande raderades av administratören …
denne meldingen ble slettet av administratoren …|denne besked blev slettet af administratoren …
ylläpitäjä … poisti tämän viestin|αυτό το μήνυμα διαγράφηκε από τον διαχειριστή …
"""

EDITED = """
this message was edited
diese nachricht wurde bearbeitet
se editó este mensaje|este mensaje fue editado|mensaje editado|editaste este mensaje|se ha editado este mensaje
mensagem editada|esta mensagem foi editada|essa mensagem foi editada
ce message a été modifié|message modifié
questo messaggio è stato modificato|messaggio modificato
dit bericht is bewerkt|bericht bewerkt
сообщение изменено|это сообщение изменено|данное сообщение изменено
повідомлення змінено|це повідомлення змінено|це повідомлення було змінено
bu mesaj düzenlendi|pesan ini diedit|pesan ini telah diedit|mesej ini telah disunting|mesej ini telah diedit
aquest missatge s'ha editat
ta wiadomość została edytowana|wiadomość edytowana|tato zpráva byla upravena|táto správa bola upravená
acest mesaj a fost editat|ezt az üzenetet szerkesztették|üzenet szerkesztve|ova je poruka uređena
ova poruka je uređena
meddelandet redigerades|det här meddelandet redigerades|detta meddelande redigerades|denne meldingen ble redigert
denne meddelelse blev redigeret|denne besked blev redigeret|denne besked er blevet redigeret
tätä viestiä muokattiin
viestiä muokattiin|tin nhắn này đã được chỉnh sửa|tin nhắn này đã chỉnh sửa|bu mesaj redaktə edilib|redaktə edildi
"""
# Stems of the word in scripts in which nobody writes code.
EDITED_STEMS = """
تعديل|عدّل|عُدّل|ویرایش|ایڈٹ|ترمیم|נערכה|एडिट|संपादित|सम्पादित|সম্পাদ|এডিট|编辑|編輯|編集|수정|편집|แก้ไข
επεξεργ|изменено|редакт
"""

MEDIA_OMITTED = """
media omitted|media not included|video note omitted|view once voice message omitted|view once message omitted
view once photo omitted|view once video omitted|product message omitted|list message omitted|live location omitted
location omitted|image omitted|video omitted|audio omitted|voice message omitted|video message omitted
document omitted
sticker omitted|gif omitted|contact card omitted|file omitted
medien ausgeschlossen|medien weggelassen|medien fehlen|medien nicht enthalten|videonotiz weggelassen
multimedia omitido|archivo omitido|archivos omitidos|medios omitidos|multimedia omitida|nota de video omitida
mídia oculta|mídia omitida|arquivo de mídia oculto|arquivo de mídia omitido|ficheiro não revelado|ficheiro omitido
multimédia oculta|arquivo não revelado|conteúdo multimédia omitido|mensagem de vídeo omitida
mensagem de vídeo oculta
médias omis|fichier omis|médias absents|média manquante|média omis|note vidéo omise
media omessi|media omesso|media mancante|media esclusi|videomessaggio omesso
media weggelaten|bestand weggelaten|videobericht weggelaten
без медиафайлов|файл пропущен|медиа отсутствует|видеосообщение отсутствует
медіа пропущено|без медіафайлів|файл пропущено|medya atlanmış|medya dahil edilmedi|görüntülü not çıkarıldı
media tidak disertakan|catatan video tidak disertakan|media disingkirkan|media tidak dimasukkan
मीडिया के बिना|मीडिया छोड़ा गया|मीडिया शामिल नहीं है|मीडिया हटाया गया
تم استبعاد الوسائط|الوسائط غير مضمنة|الوسائط غير مضمّنة|لم يتم إدراج الوسائط|ملفات مفقودة|الوسائط محذوفة
המדיה לא נכללה|המדיה הוסרה|מדיה הושמטה|מדיה לא נכללה|پيوست نما/آهنگ حذف شد|رسانه حذف شد|میڈیا چھوڑ دیا گیا
省略多媒体文件|媒体省略|媒体已省略|已省略媒体|省略多媒體檔案|省略多媒體檔|忽略多媒體檔|忽略多媒體檔案|媒體已略去
媒體已省略|已略過多媒體
メディアは含まれていません|メディアなし|미디어 파일을 생략한 대화내용|미디어 파일을 제외한 내용|미디어 생략됨
bỏ qua media|đã bỏ qua tệp phương tiện|สื่อถูกลบ|ไม่รวมไฟล์มีเดีย|মিডিয়া বাদ দেওয়া হয়েছে|मीडिया वगळले
મીડિયા અવગણાયું
pliki pominięto|pominięto multimedia|multimedia pominięto|média vynechány|média vynechána|médiá vynechané
conținut media omis|fișier media omis|hiányzó médiafájl|médiafájl kihagyva|medijski zapis izostavljen
medij izpuščen
media har utelämnats|media utelämnade|uten vedlegg|media utelatt|mediefil udeladt|medier udeladt|media jätetty pois
media jätettiin pois|εξαίρεση πολυμέσων|παραλείφθηκαν πολυμέσα|mitjans omesos|contingut multimèdia omès
meedia ära jäetud|praleistas medijos turinys|bez multivides|media imerukwa|media weggelaat|media çıxarılmışdır
без файл|без фајл|файл қосылған жоқ|fayl o‘tkazib yuborildi|pa media|walang kalakip na media|медији су изостављени
"""

# What iOS writes for each kind of media but documents.
KIND_OMITTED = """
image omitted|video omitted|audio omitted|gif omitted|sticker omitted
voice message omitted|video message omitted|video note omitted|media omitted|photo omitted
bild weggelassen|video weggelassen|audio weggelassen|gif weggelassen|sticker weggelassen
videonachricht weggelassen|videonotiz weggelassen
sprachnachricht weggelassen|audio nicht enthalten|bild nicht enthalten|video nicht enthalten|bild ausgelassen
imagen omitida|video omitido|vídeo omitido|audio omitido|gif omitido|gif omitida|sticker omitido
nota de video omitida|nota de vídeo omitida|foto omitida
imagem ocultada|imagem oculta|imagem omitida|imagem não revelada|vídeo oculto|vídeo ocultado|vídeo não revelado
áudio ocultado|áudio oculto|áudio omitido|ficheiro de áudio não revelado|gif não revelada|figurinha omitida
figurinha ocultada|sticker não revelado|mensagem de vídeo omitida|mensagem de vídeo oculta|vídeo omitido
image absente|vidéo absente|audio absent|audio omis|gif retiré|gif absent|gif omis|sticker omis|sticker absent
image omise|vidéo omise|message vidéo absent|note vidéo omise
immagine omessa|video omesso|audio omesso|gif esclusa|gif omessa|gif omesso|sticker non incluso|sticker omesso
videomessaggio omesso|messaggio vocale omesso
afbeelding weggelaten|video weggelaten|audio weggelaten|gif weggelaten|sticker weggelaten
videobericht weggelaten|videonotitie weggelaten
изображение отсутствует|видео отсутствует|аудиофайл отсутствует|аудио отсутствует|gif отсутствует
стикер не добавлен|стикер отсутствует|видеозаметка опущена
зображення відсутнє|відео відсутнє|аудіо відсутнє|gif-анімацію пропущено|наклейку не додано
görüntü dahil edilmedi|video dahil edilmedi|ses dahil edilmedi|gif dahil edilmedi|çıkartma dahil edilmedi
konum dahil edilmedi|görüntülü not çıkarıldı|görüntülü not dahil edilmedi
gambar tidak disertakan|video tidak disertakan|audio tidak disertakan|gif tidak disertakan
stiker tidak disertakan|catatan video tidak disertakan|foto tidak disertakan
imej tidak dimasukkan|video tidak dimasukkan|audio tidak dimasukkan|gif tidak dimasukkan
pelekat tidak dimasukkan
फ़ोटो हटाई गई|फोटो हटाई गई|इमेज हटाई गई|इमेज छोड़ी गई|वीडियो छोड़ा गया|वीडियो हटाया गया|ऑडियो हटाई गयी
ऑडियो हटाया गया|ऑडियो छोड़ा गया|gif छोड़ा गया|gif हटाया गया|स्टिकर छोड़ा गया|स्टिकर हटाया गया
لم يتم إدراج الصورة|لم يتم إدراج الفيديوهات|لم يتم إدراج الفيديو|لم يتم إدراج المقاطع الصوتية
لم يتم إدراج صورة gif|تم حذف الملصقات|لم يتم إدراج الملصق|تم استبعاد الصورة
الصورة غير مشمولة|الفيديو غير مشمول|لم يتم إدراج الملصقات
התמונה הושמטה|סרטון הווידאו הושמט|קטע קול הושמט|gif הושמט|סטיקר הושמט|הודעה קולית הושמטה
تصویر حذف شد|ویدیو حذف شد|صدا حذف شد|gif حذف شد|استیکر حذف شد
图片已忽略|照片已忽略|图像已忽略|图片已省略|视频已忽略|视频已省略|音频已忽略|音频已省略|gif 动态图已被忽略
gif 已省略|gif已省略|gif 已忽略|贴图已忽略|贴图已省略|表情包已省略
语音消息已省略|视频消息已省略|圖片已略去|圖片已省略|圖像已省略|圖像已略去|影片已略去|影片已省略|音訊已略去
音訊已省略|gif 已略去|gif 圖片已被省略|gif 圖片已略去|貼圖已略去|貼圖已忽略|貼圖已省略
語音訊息已略去|語音訊息已省略|影片訊息已略去|画像は含まれていません|画像は省略されました
ビデオは含まれていません|動画は含まれていません|動画は省略されました|音声は含まれていません|音声は省略されました
gifは含まれていません|gifは省略されました|スタンプは含まれていません|スタンプは省略されました
ビデオメッセージは含まれていません|音声メッセージは省略されました
이미지 생략됨|비디오 생략됨|동영상 생략됨|오디오 생략됨|gif 생략됨|스티커 제외됨|스티커 생략됨
đã bỏ qua hình ảnh|đã bỏ video|bỏ qua tệp âm thanh|đã bỏ qua ảnh gif|đã bỏ sticker
ไม่มีรูปภาพ|วิดีโอถูกลบ|ไม่มีไฟล์เสียง|ละเว้น gif|ไม่มีสติกเกอร์
obraz pominięty|wideo pominięte|audio pominięte|plik gif pominięty|pominięto naklejkę
obrázek vynechán|video vynecháno|zvukový soubor vynechán|gif vynechán|nálepka vynechána
obrázok vynechaný|video vynechané|zvuk vynechaný|gif vynechaný
imagine omisă|clip video omis|fără audio|kép küldése sikertelen|videó kihagyva|hang kihagyása
matrica kihagyva|slika izostavljena|video izostavljen|zvuk izostavljen|gif izostavljen
naljepnica izostavljena|bild utesluten|video utesluten|ljud utelslutet|ljud uteslutet
gif utesluten|sticker utesluten|bilde ikke inkludert|video utelatt|lyd utelatt
gif utelatt|klistremerke utelatt|billede udeladt|video udeladt|lyd udeladt
gif udeladt|klistermærke udeladt|ei kuvaa|videota ei sisällytetä
äänitiedostoa ei sisällytetä|gif-animaatio jätetty pois|tarraa ei sisällytetty
εικόνα παραλείφθηκε|βίντεο παραλείφθηκε|ήχος παραλείφθηκε|παράληψη gif|αυτοκόλλητο παραλήφθηκε
imatge omesa|vídeo omès|àudio omès|gif omès|adhesiu omès
"""

# The same for documents and contact cards: before it stands the title of the document.
DOCUMENT_OMITTED = """
document omitted|contact card omitted|file omitted|dokument weggelassen
kontaktkarte weggelassen|kontaktkarte ausgelassen|documento omitido|tarjeta de contacto omitida
documento ocultado|documento não revelado|cartão do contato omitido|contacto não revelado
document manquant|document absent|document omis|fiche contact manquante|fiche contact absente
documento omesso|scheda contatto omessa|document weggelaten|visitekaartje weggelaten
документ отсутствует|карточка контакта отсутствует|контакт отсутствует|документ пропущено
картка контакту відсутня|belge dahil edilmedi|kişi kartı dahil edilmedi
dokumen tidak disertakan|kartu kontak tidak disertakan|dokumen tidak dimasukkan|kad kenalan tidak dimasukkan
डॉक्यूमेंट छोड़ा गया|डॉक्यूमेंट हटाया गया|कॉन्टैक्ट कार्ड छोड़ा गया|कॉन्टैक्ट कार्ड हटाया गया
لم يتم إدراج المستند|لم يتم إدراج بطاقة جهة اتصال|מסמך הושמט|כרטיס איש קשר הושמט|سند حذف شد|برگ مخاطب حذف شد
文档已忽略|文档已省略|文件已忽略|文件已省略|联系人卡片已忽略|联系人卡片已省略|联系人名片已省略|文件已略去
檔案已略去|檔案已省略|聯絡人卡片已略去|聯絡人卡片已省略|聯絡人名片已省略
ドキュメントは含まれていません|文書は省略されました|連絡先カードを省略|連絡先カードは含まれていません
連絡先カードは省略されました|문서 생략됨|연락처 카드 생략됨|đã bỏ qua tài liệu
bỏ qua thẻ liên lạc|ละเว้นเอกสาร|บัตรรายชื่อที่ละเว้น|dokument pominięty|pominięta wizytówka kontaktu
dokument vynechán|vizitka vynechána|dokument vynechaný|document omis|dokumentum kihagyva|dokument izostavljen
dokument uteslutet|kontaktkort uteslutet|utelatt dokument|kontaktkort sløyfet
dokument udeladt|kontaktkort udeladt|dokumenttia ei sisällytetä|έγγραφο παραλείφθηκε
document omès|targeta de contacte omesa
"""

# What stands in brackets after the name of a file.
FILE_ATTACHED = """
file attached|datei angehängt|archivo adjunto|archivo adjuntado|arquivo anexado|ficheiro anexado|fichier joint
file allegato|bestand bijgevoegd|файл добавлен|файл прикреплён|файл додано|dosya ekli|file terlampir
fail dilampirkan
फ़ाइल संलग्न|फाइल संलग्न|फ़ाइल अटैच की गई|फाइल अटैच कर दी गई है|फ़ाइल अटैच कर दी गई है|फ़ाइल अटैच की गई है
الملف مرفق|ملف مرفق|קובץ מצורף
پیوستہ فائل|文件附件|已附加文件|附件文件|附件檔案|檔案附件|已附加檔案|添付ファイル|添付ファイル有り|ファイル添付
파일 첨부됨|tệp đính kèm|ไฟล์ที่แนบ
ফাইল সংযুক্ত হয়েছে|ફાઇલ જોડાયેલ|załączony plik|plik załączony|soubor byl přiložen|súbor pripojený|fișier atașat
fájl csatolva
datoteka u privitku|priložena datoteka|bifogad fil|vedlagt fil|fil vedhæftet|liitetiedosto|συνημμένο αρχείο
arxiu adjunt
fail lisatud|byla prisegta|pievienots fails|прикачен файл|прикачен фајл|faili limeambatanishwa|lêer aangeheg
fayl əlavə olunub|nakalakip na file|skedë e ngjitur|қосымша файл|gif attached
"""

# What stands in angle brackets before the name of a file.
ATTACHED = """
attached|anhang|angehängt|adjunto|anexado|anexo|pièce jointe|allegato|bijgevoegd|прикреплено|вложение|додано
eklendi
terlampir|dilampir|अटैच किया गया|संलग्न|المُرفق|مرفق|المرفق|מצורף|پیوست|پیوستہ|附件|添付ファイル|첨부됨|첨부
đính kèm|แนบ|bifogat|vedlagt
vedhæftet|liite|επισυνάφθηκε|załączono|příloha|príloha|atașare|csatolva|priloženo|adjunt|જોડાયેલ|संलग्न केले
"""

LOCATION = """
location|live location|standort|live-standort|ubicación|localização|localização atual|localisation|emplacement|position
posizione
locatie|местоположение|геопозиция|місцезнаходження|розташування|konum|lokasi|स्थान|लोकेशन|الموقع|موقع|מיקום
موقعیت|مقام|位置|地点
地點|位置情報|위치
vị trí|ตำแหน่งที่ตั้ง|অবস্থান|સ્થળ|położenie|lokalizacja|poloha|locație|helyzet|lokacija|plats|posisjon|placering
sijainti
τοποθεσία|ubicació|asukoht|buvimo vieta|atrašanās vieta|mahali|ligging|məkan|локација|орналасуы|joylashuv
vendndodhja
"""

LIVE_LOCATION = """
live location shared|live-standort wird geteilt|ubicación en tiempo real compartida|localização atual compartilhada
localização em tempo real compartilhada|está a partilhar a sua localização|localização em tempo real partilhada
localisation en direct partagée|posizione attuale condivisa|live locatie gedeeld|live-locatie gedeeld
геоданные отправлены|трансляция геоданных|геодані надіслано|mevcut konum paylaşıldı|canlı konum paylaşıldı
lokasi terkini dibagikan|lokasi terkini dikongsi|लाइव स्थान साझा किया गया|लाइव लोकेशन शेयर की गई
تمت مشاركة الموقع المباشر
משתף מיקום בשידור חי|مکان زنده به اشتراک گذاشته شد|جاری مقام کا اشتراک ہوا|共享实时位置|已共享实时位置
實時位置已分享|已分享即時位置|即時位置已分享
ライブロケーション共有|공유한 실시간 위치|vị trí hiện thời được chia sẻ|ตำแหน่งปัจจุบันถูกแบ่งปัน
লাইভ অবস্থান শেয়ার করা হয়েছে
udostępniona transmisja położenia|byla sdílena aktuální poloha|bola zdieľaná aktuálna poloha
locație în timp real distribuită|tartózkodási hely megosztva|trenutna lokacija podijeljena|liveposition delad
posisjon i sanntid delt|live placering delt|live-sijainti jaettu|η τωρινή τοποθεσία κοινοποιήθηκε
ubicació en directe compartida|hetke asukoht jagatud|canlı məkan paylaşılıb
"""

# Media that can be opened once.
VIEW_ONCE = """
view once message|view once photo|view once video|view once voice message
foto zur einmaligen ansicht nicht verfügbar|video zur einmaligen ansicht nicht verfügbar
sprachnachricht zur einmaligen ansicht nicht verfügbar|foto zur einmaligen ansicht geöffnet
video zur einmaligen ansicht geöffnet|sprachnachricht zur einmaligen ansicht angehört
"""
# With these words a text of WhatsApp about such media begins.
VIEW_ONCE_BEGINNINGS = """
you received a view once|you sent a view once|du hast ein foto zur einmaligen ansicht
du hast eine nachricht zur einmaligen ansicht|du hast ein video zur einmaligen ansicht
recibiste un mensaje de visualización única|recibiste una foto de visualización única
recibiste un video de visualización única|você recebeu uma mensagem de visualização única
você recebeu uma foto de visualização única|você recebeu um vídeo de visualização única
vous avez reçu un message à vue unique|vous avez reçu une photo à vue unique|vous avez reçu une vidéo à vue unique
hai ricevuto un messaggio visualizzabile una volta|je hebt een eenmalig weer te geven bericht ontvangen
вы получили однократное сообщение|вы получили сообщение для однократного просмотра
tek görüntülük bir mesaj aldınız|anda menerima pesan sekali lihat|anda menerima foto sekali lihat
"""

MISSED_CALLS = """
missed voice call|missed video call|missed group voice call|missed group video call|missed group call
you missed a voice call|you missed a video call|you missed a group voice call|you missed a group video call
verpasster sprachanruf|verpasster videoanruf|verpasster gruppen-sprachanruf|verpasster gruppen-videoanruf
verpasster gruppenanruf|du hast einen sprachanruf verpasst|du hast einen videoanruf verpasst
llamada perdida|llamada de voz perdida|videollamada perdida|llamada grupal perdida|llamada de voz grupal perdida
videollamada grupal perdida|perdiste una llamada|perdiste una videollamada|perdiste una llamada de voz
chamada de voz perdida|chamada de vídeo perdida|videochamada perdida|ligação de voz perdida
ligação de vídeo perdida
ligação de voz em grupo perdida|ligação de vídeo em grupo perdida
appel vocal manqué|appel vidéo manqué|appel vocal de groupe manqué|appel vidéo de groupe manqué
chiamata vocale persa|videochiamata persa|chiamata vocale di gruppo persa|videochiamata di gruppo persa
gemist spraakgesprek|gemist videogesprek|gemiste spraakoproep|gemiste video-oproep
gemiste groepsoproep|gemist groepsspraakgesprek|gemist groepsvideogesprek
пропущенный аудиозвонок|пропущенный видеозвонок|пропущенный групповой аудиозвонок
пропущенный групповой видеозвонок|пропущений аудіодзвінок|пропущений відеодзвінок
cevapsız sesli arama|cevapsız görüntülü arama|cevapsız grup araması
panggilan suara tak terjawab|panggilan video tak terjawab|tak terjawab|panggilan suara grup tak terjawab
panggilan video grup tak terjawab|panggilan suara terlepas|panggilan video terlepas
वॉइस कॉल मिस हुई|मिस्ड वॉइस कॉल|मिस्ड वीडियो कॉल|छूटी हुई ध्वनि कॉल|छूटी हुई विडियो कॉल|वीडियो कॉल मिस हुई
मिस्ड ग्रुप कॉल
مكالمة صوتية فائتة|مكالمة فيديو فائتة|مكالمة جماعية فائتة|שיחה קולית שלא נענתה|שיחת וידאו שלא נענתה
تماس صوتی پاسخ داده نشده|تماس تصویری پاسخ داده نشده|مسڈ وائس کال|مسڈ ویڈیو کال|چھوٹی ہوئی صوتی کال
未接语音通话|未接视频通话|未接群组语音通话|未接群组视频通话|未接語音通話|未接視像通話|未接視訊通話|未接群組語音通話
未接群組視像通話|未接語音來電|未接視訊來電
不在着信|音声通話不在着信|ビデオ通話不在着信|音声通話の不在着信|ビデオ通話の不在着信|グループ音声通話の不在着信
부재중 전화|부재중 음성통화|부재중 영상통화|cuộc gọi nhỡ|cuộc gọi nhỡ video|สายที่ไม่ได้รับ|วิดีโอคอลที่ไม่ได้รับ
nieodebrane połączenie|nieodebrane poł. głosowe|nieodebrane poł. wideo|zmeškaný hovor|zmeškaný hlasový hovor
zmeškaný videohovor|apel vocal ratat|apel video ratat|nem fogadott hanghívás|nem fogadott videohívás
propušteni glasovni poziv|propušteni videopoziv|missat röstsamtal|missat videosamtal|missat samtal|tapt taleanrop
tapt videoanrop|ubesvaret taleopkald|ubesvaret videoopkald|mistet opkald|vastaamaton äänipuhelu
vastaamaton videopuhelu|αναπάντητη φωνητική κλήση|αναπάντητη κλήση|αναπάντητη βιντεοκλήση
"""
CALLS = """
voice call|video call|group call|group voice call|group video call|silenced voice call|silenced video call
sprachanruf|videoanruf|gruppenanruf|ausgehender sprachanruf|ausgehender videoanruf|stummgeschalteter sprachanruf
stummgeschalteter videoanruf|llamada|llamada de voz|videollamada|llamada grupal|llamada de voz silenciada
ligação de voz|ligação de vídeo|chamada de voz|chamada de vídeo|videochamada|appel vocal|appel vidéo
appel de groupe
chiamata vocale|videochiamata|spraakoproep|video-oproep|spraakgesprek|videogesprek|аудиозвонок|видеозвонок
sesli arama|görüntülü arama|panggilan suara|panggilan video|वॉइस कॉल|वीडियो कॉल|مكالمة صوتية|مكالمة فيديو|语音通话
视频通话
語音通話|視像通話|視訊通話|語音來電|視訊來電|音声通話|ビデオ通話|שיחה קולית|שיחת וידאו
"""
AFTER_CALL = """
tap to call back|click to call back|no answer|answered on other device|answered|declined|focus mode|not answered
busy
zum zurückrufen tippen|tippe, um zurückzurufen|keine antwort|auf anderem gerät beantwortet|fokusmodus|abgelehnt
toca para devolver la llamada|pulsa para devolver la llamada|sin respuesta|no contestada|toca para llamar
toque para ligar de volta|toque para retornar a ligação|toque para retornar|sem resposta|não atendida
appuyez pour rappeler|pas de réponse|sans réponse|tocca per richiamare|nessuna risposta|tik om terug te bellen
geen antwoord|нажмите, чтобы перезвонить|нет ответа|geri aramak için dokunun|cevap yok|cevaplanmadı
ketuk untuk menelepon balik|ketuk untuk menelepon kembali|tidak ada jawaban|tidak dijawab|انقر لمعاودة الاتصال
انقر لإعادة الاتصال|لا يوجد رد|点击回拨|點按以回撥|點擊以回撥|无应答|無應答|未接聽|タップしてかけ直す|応答なし
"""

# With these words a text of WhatsApp begins about a message that the phone couldn't show.
UNSHOWN_BEGINNINGS = """
waiting for this message|this message can't be displayed here|this message couldn't load
this message is not supported on this version of whatsapp
you received a message but your version of whatsapp doesn't support it
warte auf diese nachricht|auf diese nachricht wird gewartet|diese nachricht kann hier nicht angezeigt werden
esperando el mensaje|esperando este mensaje|esperando mensaje|no se puede mostrar este mensaje aquí
aguardando mensagem|aguardando esta mensagem|a aguardar por esta mensagem|à espera desta mensagem
en attente de ce message|en attente du message|in attesa del messaggio|in attesa di questo messaggio
wachten op dit bericht|bezig met wachten op dit bericht|ожидание сообщения|ожидание этого сообщения
очікування на це повідомлення|очікування цього повідомлення|bu mesaj bekleniyor|menunggu pesan ini
menunggu mesej ini
इस मैसेज का इंतज़ार है|इस मैसेज का इंतज़ार किया जा रहा है|मैसेज का इंतज़ार है|इस संदेश की प्रतीक्षा है
في انتظار هذه الرسالة|بانتظار هذه الرسالة
ממתין להודעה זו|ממתינים להודעה הזו|正在等待此消息|正在等待这条消息|等待此消息|正在等待此訊息|正在等候此訊息
正在等待這則訊息|等待此訊息
このメッセージを待っています|メッセージを待っています|メッセージの受信を待っています|메시지를 기다리는 중입니다
이 메시지를 기다리는 중입니다
đang chờ tin nhắn này|กำลังรอข้อความนี้
"""

# The first words of the notice with which chats begin.
ENCRYPTION_BEGINNINGS = """
messages and calls are end-to-end encrypted
messages to this chat and calls are now secured with end-to-end encryption
messages you send to this chat and calls are now secured with end-to-end encryption
messages to this group are now secured with end-to-end encryption
messages you send to this group are now secured with end-to-end encryption
nachrichten und anrufe sind ende-zu-ende-verschlüsselt
nachrichten in diesem chat sowie anrufe sind jetzt mit ende-zu-ende
nachrichten, die du in diesem chat sendest|nachrichten in dieser gruppe sind jetzt mit ende-zu-ende
los mensajes y las llamadas están cifrados de extremo a extremo
los mensajes y llamadas en este chat ahora están protegidos
las llamadas y mensajes enviados a este chat ahora están seguros|los mensajes enviados a este grupo ahora están
as mensagens e as chamadas são protegidas com a criptografia
as mensagens e ligações são protegidas com a criptografia
as mensagens e as ligações são protegidas com a criptografia|as mensagens e chamadas são encriptadas ponto a ponto
as mensagens e as chamadas são criptografadas|as mensagens desta conversa e as chamadas estão protegidas
les messages et les appels sont chiffrés de bout en bout
les messages envoyés dans cette discussion et les appels sont
i messaggi e le chiamate sono crittografati end-to-end
i messaggi inviati in questa chat e le chiamate sono ora protetti
berichten en gesprekken worden end-to-end versleuteld|berichten en oproepen worden end-to-end versleuteld
berichten en gesprekken zijn end-to-end versleuteld|berichten die je naar deze chat verzendt en oproepen
сообщения и звонки защищены сквозным шифрованием|сообщения, которые вы отправляете в данный чат, и звонки
повідомлення й дзвінки захищено наскрізним шифруванням|mesajlar ve aramalar uçtan uca şifrelidir
bu sohbette gönderdiğiniz mesajlar ve aramalar artık|pesan dan panggilan terenkripsi secara end-to-end
pesan ke chat ini dan panggilan sekarang diamankan|pesan dan telepon dienkripsi secara end-to-end
mesej dan panggilan disulitkan hujung ke hujung|मैसेजेस और कॉल्स एंड-टू-एंड एन्क्रिप्टेड हैं
मैसेज और कॉल एंड-टू-एंड एन्क्रिप्टेड हैं
الرسائل والمكالمات مشفرة تمامًا بين الطرفين|الرسائل والمكالمات مشفرة تماما بين الطرفين
ההודעות והשיחות מוצפנות מקצה-לקצה
消息和通话都进行端到端加密|消息和通话已进行端到端加密|消息和通话均已进行端到端加密
您发送至此对话的消息和通话都已进行端到端加密
訊息和通話經端對端加密|訊息已受端對端加密保護|訊息和通話都受到端對端加密|訊息和通話皆受端對端加密保護
訊息與通話受到端對端加密保護
メッセージと通話はエンドツーエンド暗号化されています|메시지 및 전화는 종단간 암호화되어 안전합니다
메시지와 통화는 종단간 암호화됩니다
zprávy a hovory jsou opatřeny koncovým šifrováním|zprávy a hovory jsou koncově šifrované
správy a hovory sú šifrované
ข้อความและการโทรได้รับการเข้ารหัสจากต้นทางถึงปลายทาง|tin nhắn và cuộc gọi được mã hóa đầu cuối
wiadomości i połączenia są w pełni zaszyfrowane|meddelanden och samtal är komplett krypterade
meddelanden och samtal är totalsträckskrypterade|viestit ja puhelut salataan täysin
viestit ja puhelut on salattu täysin|viestit ja puhelut ovat täysin salattuja
az üzenetek és hívások végpontok közötti titkosítással vannak védve
az üzenetek és hívások végpontok közti titkosítással
τα μηνύματα και οι κλήσεις κρυπτογραφούνται πλήρως|τα μηνύματα και οι κλήσεις είναι κρυπτογραφημένα από άκρο σε άκρο
پیام‌ها و تماس‌ها سرتاسر رمزگذاری شده‌اند|پیامها و تماسها سرتاسر رمزگذاری شدهاند
meldinger og anrop er ende-til-ende-kryptert|beskeder og opkald er end-to-end-krypterede
beskeder og opkald er krypteret fra ende til anden|mesajele și apelurile sunt criptate integral
poruke i pozivi su šifrirani|poruke i pozivi sveobuhvatno su šifrirani
els missatges i les trucades estan xifrats d'extrem a extrem
"""
# What its second sentence says, where it has no "WhatsApp" in it: who can read them.
ENCRYPTION_READERS = """
only people in this chat can read|only people in this group can read|nur personen in diesem chat können
nur personen in dieser gruppe können|solo las personas en este chat pueden|solo las personas de este chat pueden
somente as pessoas que fazem parte da conversa podem|só as pessoas neste chat|só as pessoas nesta conversa
apenas as pessoas nesta conversa|apenas as pessoas neste chat|seules les personnes qui participent à cette discussion
seules les personnes de cette discussion|solo le persone in questa chat possono
solo le persone che partecipano a questa chat|alleen mensen in deze chat kunnen|alleen personen in deze chat kunnen
alleen deelnemers aan deze chat kunnen|только участники этого чата|только люди в этом чате|лише учасники цього чату
тільки учасники цього чату|yalnızca bu sohbetteki kişiler|sadece bu sohbetteki kişiler|hanya orang di chat ini
hanya orang dalam chat ini|hanya orang dalam sembang ini|सिर्फ़ इस चैट में|केवल इस चैट में
يمكن فقط للأشخاص في هذه الدردشة
لا يمكن إلا للأشخاص في هذه الدردشة|רק אנשים בצ'אט הזה|רק משתתפי הצ'אט|只有此对话中的人|只有此聊天中的人
只有本聊天中的人
只有此對話中的人|只有此聊天室中的|只有這個聊天室中的|このチャットの参加者のみ|このチャットの参加者だけ
이 채팅방에 있는 사람만
이 채팅방의 참여자만|chỉ những người trong cuộc trò chuyện này|เฉพาะคนในแชทนี้|เฉพาะผู้ที่อยู่ในแชทนี้
tylko osoby na tym czacie|tylko uczestnicy tego czatu|pouze lidé v tomto chatu|pouze účastníci tohoto chatu
iba ľudia v tomto chate|numai persoanele din această conversație|csak a csevegés résztvevői
endast personer i den här chatten|endast personer i chatten|bare personer i denne chatten|kun personer i denne chat
vain tämän keskustelun osallistujat|vain tässä keskustelussa olevat|μόνο τα άτομα σε αυτή τη συνομιλία
μόνο τα άτομα σε αυτήν τη συνομιλία|فقط افراد حاضر در این گفتگو|فقط افراد این گفتگو
"""

# Events that unmarked exports write as the text of a sender. The dots stand for names, which are none of PRONOUNS.
EVENTS = """
your security code with … changed|your security code with … changed. tap to learn more
your security code with … changed. click to learn more|your security code with … has changed
dein sicherheitscode für … hat sich geändert|deine sicherheitsnummer für … hat sich geändert
bezpečnostní kód mezi vámi a uživatelem … byl změněn|il tuo codice di sicurezza con … è cambiato
you're now an admin|you're no longer an admin|you created this group|you created group …
you joined using this group's invite link|you joined using an invite link|you were added
… added you|… changed their phone number to a new number
… changed their phone number to a new number. tap to message or add the new number
"""
PRONOUNS = """
i|we|he|she|it|they|who|someone|somebody|nobody|everyone|everybody|i've|we've|he's|she's|they've|and|but|just|maybe
"""
# What follows the sender's own name in such a text.
EVENTS_OF_SENDER = """
created this group|created group …|created the group …|left|added …|removed …|was added|was removed|joined
joined using this group's invite link|joined using an invite link|joined using your invite|joined from the community
changed this group's icon|deleted this group's icon|changed the group description|deleted the group description
changed the group icon|changed the group photo|changed the subject from …|changed the subject to …
changed the group name from …|changed the group name to …|changed this group's settings …
changed the group settings …|changed their phone number …|changed their phone number|changed to +…
is now an admin|is no longer an admin|pinned a message|started a call|started a voice call|started a video call
turned on disappearing messages …|turned off disappearing messages …|turned on disappearing messages
turned off disappearing messages|updated the message timer …|requested to join …|requested to join
"""

# With these words between brackets WhatsApp Web begins what somebody forwarded.
FORWARDED = """
forwarded|forwarded many times|weitergeleitet|häufig weitergeleitet|reenviado|reenviado muchas veces|encaminhada
encaminhada com frequência|encaminhado|reencaminhada|transféré|transféré de nombreuses fois|inoltrato
inoltrato molte volte|doorgestuurd|vaak doorgestuurd|пересланное|переслано|пересылалось много раз|iletildi
birçok kez iletildi|diteruskan|diteruskan berulang kali|फ़ॉरवर्ड किया गया|कई बार फ़ॉरवर्ड किया गया
تمت إعادة توجيهها
تم التحويل|مُعاد توجيهها|已转发|多次转发|已多次转发|已轉寄|多次轉寄|已轉發|已多次轉發|転送済み|転送
何度も転送されました|הועברה
"""

POLL = """
poll|umfrage|encuesta|enquete|sondagem|sondage|sondaggio|peiling|опрос|опитування|anket|polling|jajak pendapat
tinjauan pendapat|पोल|استطلاع رأي|استطلاع|תצוגת סקר|סקר|نظرسنجی|投票|アンケート|투표|설문조사|bình chọn|โพล|ankieta
anketa|sondaj|szavazás
omröstning|avstemning|afstemning|kysely|δημοσκόπηση|enquesta
"""
